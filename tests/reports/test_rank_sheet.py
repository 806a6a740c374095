"""The contact sheet of a search: frames that tell right from wrong, with colour and without."""

import numpy as np
import pytest
from PIL import ImageColor

from pclhd_jax.reports.rank_sheet import (
    APART,
    BLUE,
    FRAME,
    GAP,
    GREEN,
    GREY,
    HEIGHT,
    RED,
    TOP,
    WIDTH,
    SheetRow,
    Tile,
    draw_sheet,
)

BLACK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def upper_frames(found):
    """The colours along the middle of each frame's upper side, from left to right."""
    pixels = np.asarray(draw_sheet([SheetRow(Tile(BLACK, "q"), found)], "title"))
    row = TOP + FRAME // 2
    cells, width = [], WIDTH + 2 * FRAME
    for column in range(1 + len(found)):
        left = GAP + column * (width + GAP) + APART * (column > 0)
        cells.append({tuple(p) for p in pixels[row, left : left + width].tolist()})
    return cells


def test_right_is_a_whole_green_frame_and_wrong_a_broken_red_one():
    colour = lambda name: ImageColor.getrgb(name)  # noqa: E731
    white = (255, 255, 255)
    query, right, wrong, unknown = upper_frames(
        [Tile(BLACK, "1", True), Tile(BLACK, "2", False), Tile(BLACK, "3")]
    )
    assert query == {colour(BLUE)}
    assert right == {colour(GREEN)}
    assert wrong == {colour(RED), white}
    assert colour(RED) not in unknown and colour(GREEN) not in unknown
    assert white in unknown and colour(GREY) in unknown  # thin: its sides alone cross this line


def test_a_row_may_be_shorter_and_none_is_refused():
    rows = [SheetRow(Tile(BLACK, "q"), [Tile(BLACK, "1")] * n) for n in (3, 1)]
    sheet = draw_sheet(rows, "title")
    assert sheet.width > 4 * WIDTH and sheet.height > 2 * HEIGHT
    with pytest.raises(ValueError, match="no query to show"):
        draw_sheet([], "title")
