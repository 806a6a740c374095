"""A contact sheet of a search: a row per query, the query and then what was found, best first."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Okabe and Ito's colours. For those who see none: right is a whole frame, wrong a broken one.
GREEN, RED, BLUE, GREY = "#009E73", "#D55E00", "#0072B2", "#595959"
WIDTH, HEIGHT = 72, 144  # of a picture
FRAME, GAP, TEXT = 4, 8, 13  # pixels
DASH = 9


class Tile(NamedTuple):
    """right: whether it shows the query's person; None where somebody's identity is unknown."""

    image_HWC: np.ndarray  # uint8, HEIGHT x WIDTH
    caption: str
    right: bool | None = None


class SheetRow(NamedTuple):
    query: Tile
    found: Sequence[Tile]


def draw_sheet(rows: Sequence[SheetRow], title: str) -> Image.Image:
    """The sheet, to be saved. Raises ValueError for no row."""
    if not rows:
        raise ValueError("no query to show")
    columns = 1 + max(len(row.found) for row in rows)
    cell = WIDTH + 2 * FRAME + GAP, HEIGHT + 2 * FRAME + TEXT + 2 + GAP
    font = ImageFont.load_default(TEXT)
    top = 2 * TEXT + GAP
    size = columns * cell[0] + 2 * GAP, len(rows) * cell[1] + top + GAP
    width = max(size[0], round(font.getlength(title)) + 2 * GAP)
    sheet = Image.new("RGB", (width, size[1]), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), title, "black", font)
    for r, row in enumerate(rows):
        for c, tile in enumerate([row.query, *row.found]):
            left = GAP + c * cell[0] + GAP * (c > 0)  # the query stands apart
            draw_tile(sheet, pen, tile, (left, top + r * cell[1]), font, is_query=c == 0)
    return sheet


def draw_tile(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    tile: Tile,
    place: tuple[int, int],
    font: ImageFont.FreeTypeFont,
    *,
    is_query: bool,
) -> None:
    left, top = place
    sheet.paste(Image.fromarray(tile.image_HWC), (left + FRAME, top + FRAME))
    right, bottom = left + WIDTH + 2 * FRAME - 1, top + HEIGHT + 2 * FRAME - 1
    colour = BLUE if is_query else {None: GREY, True: GREEN, False: RED}[tile.right]
    frame_width = FRAME if is_query or tile.right is not None else 1
    pen.rectangle((left, top, right, bottom), outline=colour, width=frame_width)
    if tile.right is False and not is_query:
        break_frame(pen, (left, top, right, bottom))
    words = {None: "", True: " same", False: " other"}[None if is_query else tile.right]
    pen.text((left, bottom + 2), tile.caption + words, colour, font)


def break_frame(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
    """White gaps in the frame."""
    left, top, right, bottom = box
    for x in range(left + DASH, right - DASH, 2 * DASH):
        for y in (top, bottom - FRAME + 1):
            pen.rectangle((x, y, x + DASH - 1, y + FRAME - 1), fill="white")
    for y in range(top + DASH, bottom - DASH, 2 * DASH):
        for x in (left, right - FRAME + 1):
            pen.rectangle((x, y, x + FRAME - 1, y + DASH - 1), fill="white")
