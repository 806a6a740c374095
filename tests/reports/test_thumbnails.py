"""Frames and signs, at their pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from pclhd_jax.reports.rank_lists import Entry
from pclhd_jax.reports.rank_strips import thumbnails
from pclhd_jax.reports.thumbnails import COLOURS, FRAME, GAP, SIGN, encoded, framed, strip

GREEN, RED, GREY, BLACK = (0, 158, 115), (213, 94, 0), (89, 89, 89), (0, 0, 0)
DARK_HWC = np.full((64, 32, 3), 20, np.uint8)


@pytest.mark.parametrize(
    "mark, colour", [("right", GREEN), ("wrong", RED), ("skipped", GREY), ("query", BLACK)]
)
def test_the_frame_has_the_marks_colour_on_all_four_sides(mark, colour):
    shown_HWC = framed(DARK_HWC, mark, height=128)
    assert shown_HWC.shape == (128 + 2 * FRAME, 64 + 2 * FRAME, 3)
    for edge in (shown_HWC[0], shown_HWC[-1], shown_HWC[:, 0]):
        assert (edge == colour).all()
    assert tuple(shown_HWC[-FRAME, -1]) == colour


def test_the_sign_tells_the_marks_apart_without_any_colour():
    signs = {m: framed(DARK_HWC, m)[:SIGN, -SIGN:] for m in ("right", "wrong", "skipped")}
    white = {mark: (sign > 250).all(axis=-1) for mark, sign in signs.items()}
    assert all(shape.sum() > 20 for shape in white.values())
    assert (white["right"] != white["wrong"]).sum() > 20
    assert (white["wrong"] != white["skipped"]).sum() > 20
    middle = SIGN // 2
    assert white["wrong"][middle, middle] and white["skipped"][middle].sum() > SIGN // 2
    assert not (framed(DARK_HWC, "query")[:SIGN, -SIGN:] > 250).any()


def test_a_skipped_picture_is_pale_and_the_others_are_as_they_were():
    inside = (slice(80, 100), slice(20, 50))
    assert (framed(DARK_HWC, "right")[inside] == 20).all()
    assert (framed(DARK_HWC, "skipped")[inside] > 150).all()


def test_a_strip_leaves_a_wider_gap_after_the_query():
    one = np.zeros((10, 6, 3), np.uint8)
    row = strip([one, one, one])
    assert row.shape == (10, 3 * 6 + 5 * GAP, 3)
    white_W = (row == 255).all(axis=(0, 2))
    assert white_W[6 : 6 + 4 * GAP].all() and white_W.sum() == 5 * GAP


@pytest.mark.parametrize("mark", ["right", "wrong"])
def test_a_jpeg_keeps_the_frames_colour(mark):
    data = encoded(framed(DARK_HWC, mark), "jpeg")
    back = np.asarray(Image.open(io.BytesIO(data))).astype(int)
    colour = np.array([int(COLOURS[mark][i : i + 2], 16) for i in (1, 3, 5)])
    assert np.abs(back[60:100, 1] - colour).max() < 25


def test_every_picture_of_a_list_is_in_the_frame_of_what_it_is():
    shown = [Entry(1, 0, False, 0.9), Entry(0, 1, True, 0.8), Entry(1, 2, False, 0.7)]
    gallery_NHWC = np.stack([DARK_HWC, DARK_HWC + 100])
    query, *found = thumbnails(DARK_HWC, gallery_NHWC, shown, height=64)
    assert [tuple(picture[-1, 0]) for picture in (query, *found)] == [BLACK, GREY, GREEN, RED]
    assert found[1][50, 20, 0] == 20 and found[2][50, 20, 0] == 120  # the entries' own pictures
