"""Small pictures in frames: right ones green with a tick, wrong ones red with a cross.

Skipped ones are grey and pale, with a bar. The sign says what the colour says.
"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from pclhd_jax.reports.palette import BLACK, GREEN, GREY, VERMILLION, rgb

COLOURS = {"query": BLACK, "right": GREEN, "wrong": VERMILLION, "skipped": GREY, "plain": "#BBBBBB"}
SIGNS = {  # lines through these points, in a square of side 1
    "right": [[(0.2, 0.55), (0.42, 0.78), (0.82, 0.25)]],
    "wrong": [[(0.22, 0.22), (0.78, 0.78)], [(0.22, 0.78), (0.78, 0.22)]],
    "skipped": [[(0.2, 0.5), (0.8, 0.5)]],
}
HEIGHT, FRAME, SIGN, GAP = 128, 4, 22, 4


def framed(picture_HWC: np.ndarray, mark: str, *, height: int = HEIGHT) -> np.ndarray:
    """uint8 (height + 2 FRAME, W', 3): the picture at that height in its frame, a sign at the top.

    mark: query, right, wrong, skipped or plain.
    """
    H, W = picture_HWC.shape[:2]
    size = max(1, round(W * height / H)), height
    picture = Image.fromarray(picture_HWC).resize(size, Image.Resampling.BICUBIC)
    if mark == "skipped":
        pale = Image.new("RGB", size, "white")
        picture = Image.blend(picture, pale, 0.6)
    colour = rgb(COLOURS[mark])
    canvas = Image.new("RGB", (size[0] + 2 * FRAME, size[1] + 2 * FRAME), colour)
    canvas.paste(picture, (FRAME, FRAME))
    if mark in SIGNS:
        draw = ImageDraw.Draw(canvas)
        left = canvas.width - SIGN
        draw.rectangle((left, 0, canvas.width, SIGN - 1), fill=colour)
        for line in SIGNS[mark]:
            draw.line([(left + SIGN * x, SIGN * y) for x, y in line], fill="white", width=3)
    return np.asarray(canvas)


def strip(pictures: Sequence[np.ndarray], *, after_first: int = 4 * GAP) -> np.ndarray:
    """Pictures of one height side by side on white; a wider gap after the first, the query."""
    height = pictures[0].shape[0]
    parts = []
    for place, picture_HWC in enumerate(pictures):
        if place:
            gap = after_first if place == 1 else GAP
            parts.append(np.full((height, gap, 3), 255, np.uint8))
        parts.append(picture_HWC)
    return np.concatenate(parts, axis=1)


def mark_of(rank: int, is_right: bool) -> str:
    return "skipped" if rank == 0 else "right" if is_right else "wrong"


def encoded(picture_HWC: np.ndarray, kind: str) -> bytes:
    """The bytes of a file. kind: 'png', or 'jpeg' (colours of thin frames are kept)."""
    buffer = io.BytesIO()
    options = {"quality": 85, "subsampling": 0} if kind == "jpeg" else {"optimize": True}
    Image.fromarray(picture_HWC).save(buffer, kind, **options)
    return buffer.getvalue()
