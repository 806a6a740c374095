"""Poses, and a canvas that takes shapes in body coordinates and keeps a code per pixel.

A code is `part * 4 + shade level`, `part` an index into PARTS, level 0 (near) to 3 (far).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

PARTS = (
    "background",
    "skin",
    "hair",
    "upper",
    "sleeve",
    "inner",
    "lower",
    "shoes",
    "bag",
    "hat",
    "occluder",
)
SIDE_WIDTH = 0.74  # width of a body seen from the side, as a share of that from the front


@dataclass(frozen=True)
class Pose:
    """How the person stands in one picture; `centre_x`, `top_y`, `height` in pixels."""

    view: str  # front, back, left, right
    stride: float  # legs and arms, -1 to 1
    lean: float  # shift of the head against the feet, in body heights
    arm_spread: float  # in body heights
    centre_x: float
    top_y: float
    height: float

    @property
    def sideways(self) -> bool:
        return self.view in ("left", "right")

    @property
    def mirror(self) -> float:
        """-1 where the picture is mirrored: bodies are drawn facing the lens or the right."""
        return -1.0 if self.view in ("back", "left") else 1.0

    @property
    def squeeze(self) -> float:
        """Width of the trunk as a share of that from the front."""
        return SIDE_WIDTH if self.sideways else 1.0


class Canvas:
    """Paints shapes given in (u, v); everything goes through `at`, so limbs cannot come apart."""

    def __init__(self, height: int, width: int, pose: Pose):
        self.image = Image.new("L", (width, height))
        self.draw = ImageDraw.Draw(self.image)
        self.pose = pose

    def at(self, u: float, v: float) -> tuple[float, float]:
        p = self.pose
        x = p.centre_x + (p.mirror * u + p.lean * (1.0 - v)) * p.height
        return x, p.top_y + v * p.height

    def polygon(self, part: str, uv: list[tuple[float, float]], level: int = 0) -> None:
        self.draw.polygon([self.at(u, v) for u, v in uv], fill=PARTS.index(part) * 4 + level)

    def ellipse(
        self, part: str, u: float, v: float, half_u: float, half_v: float, level: int = 0
    ) -> None:
        x, y = self.at(u, v)
        rx, ry = half_u * self.pose.height, half_v * self.pose.height
        box = (x - rx, y - ry, x + rx, y + ry)
        self.draw.ellipse(box, fill=PARTS.index(part) * 4 + level)

    def limb(
        self, part: str, uv: list[tuple[float, float]], half_widths: list[float], level: int = 0
    ) -> None:
        """A chain of tapered segments with round joints."""
        for (a, b), (ra, rb) in zip(pairwise(uv), pairwise(half_widths), strict=True):
            along = np.subtract(b, a)
            across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
            quad = [a + across * ra, b + across * rb, b - across * rb, a - across * ra]
            self.polygon(part, [(float(u), float(v)) for u, v in quad], level)
        for (u, v), r in list(zip(uv, half_widths, strict=True))[:-1]:
            self.ellipse(part, u, v, r, r, level)
