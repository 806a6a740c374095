"""A contact sheet of a search: a row per query, the query and then what was found, best first."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from pclhd_jax.reports.lettering import drawable, fitting, font_of

# Okabe and Ito's colours. For those who see none: right is a whole frame, wrong a broken one.
GREEN, RED, BLUE, GREY = "#009E73", "#D55E00", "#0072B2", "#595959"
WIDTH, HEIGHT = 80, 160  # of a picture
FRAME, GAP, APART = 4, 10, 14  # pixels; APART: the query from what it found
TITLE, TEXT, NAME = 15, 12, 10  # sizes of letters
LINE = 3  # between lines of text
DASH = 9
TOP = TITLE + TEXT + 2 * LINE + 2 * GAP  # above the first row
CELL = WIDTH + 2 * FRAME
CAPTION = TEXT + 2 * NAME + 4 * LINE  # below a frame


class Tile(NamedTuple):
    """right: whether it shows the query's person; None where somebody's identity is unknown.

    name: of the picture's file; drawn as its folder and, below, its own name.
    """

    image_HWC: np.ndarray  # uint8, HEIGHT x WIDTH
    caption: str
    right: bool | None = None
    name: str = ""


class SheetRow(NamedTuple):
    query: Tile
    found: Sequence[Tile]


def draw_sheet(rows: Sequence[SheetRow], title: str, legend: str = "") -> Image.Image:
    """The sheet, to be saved. Raises ValueError for no row."""
    if not rows:
        raise ValueError("no query to show")
    columns = 1 + max(len(row.found) for row in rows)
    title_font, font = font_of(TITLE), font_of(TEXT)
    row_height = HEIGHT + 2 * FRAME + CAPTION + GAP
    width = max(
        columns * (CELL + GAP) + GAP + APART,
        round(title_font.getlength(title)) + 2 * GAP,
        round(font.getlength(legend)) + 2 * GAP,
    )
    sheet = Image.new("RGB", (width, TOP + len(rows) * row_height), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), drawable(title, title_font), "black", title_font)
    pen.text((GAP, GAP + TITLE + 2 * LINE), drawable(legend, font), GREY, font)
    for r, row in enumerate(rows):
        for c, tile in enumerate([row.query, *row.found]):
            left = GAP + c * (CELL + GAP) + APART * (c > 0)
            draw_tile(sheet, pen, tile, (left, TOP + r * row_height), is_query=c == 0)
    return sheet


def draw_tile(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    tile: Tile,
    place: tuple[int, int],
    *,
    is_query: bool,
) -> None:
    left, top = place
    sheet.paste(Image.fromarray(tile.image_HWC), (left + FRAME, top + FRAME))
    right, bottom = left + CELL - 1, top + HEIGHT + 2 * FRAME - 1
    colour = BLUE if is_query else {None: GREY, True: GREEN, False: RED}[tile.right]
    frame_width = FRAME if is_query or tile.right is not None else 1
    pen.rectangle((left, top, right, bottom), outline=colour, width=frame_width)
    if tile.right is False and not is_query:
        break_frame(pen, (left, top, right, bottom))
    words = {None: "", True: " same", False: " other"}[None if is_query else tile.right]
    write_below(pen, (left, bottom + LINE), tile.caption + words, tile.name, colour)


def write_below(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], caption: str, name: str, colour: str
) -> None:
    """The caption, and the name in two lines; each as wide as a cell at most."""
    font, small = font_of(TEXT), font_of(NAME)
    left, top = place
    room = CELL + GAP - LINE
    pen.text((left, top), fitting(caption, font, room), colour, font)
    path = PurePosixPath(name)
    folder = "" if path.parent == PurePosixPath(".") else f"{path.parent}/"
    lines = [line for line in (folder, path.name) if line]
    for number, line in enumerate(lines):
        below = top + TEXT + LINE + number * (NAME + LINE)
        pen.text((left, below), fitting(line, small, room), "black", small)


def break_frame(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
    """White gaps in the frame."""
    left, top, right, bottom = box
    for x in range(left + DASH, right - DASH, 2 * DASH):
        for y in (top, bottom - FRAME + 1):
            pen.rectangle((x, y, x + DASH - 1, y + FRAME - 1), fill="white")
    for y in range(top + DASH, bottom - DASH, 2 * DASH):
        for x in (left, right - FRAME + 1):
            pen.rectangle((x, y, x + FRAME - 1, y + DASH - 1), fill="white")
