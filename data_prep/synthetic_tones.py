"""Colours a map of body parts: cloth patterns and shading, in the visible or the infrared.

Axes: H W C as everywhere, P pixels of one garment, T body parts.
"""

import numpy as np

from .synthetic_canvas import PARTS, Pose
from .synthetic_people import Pattern, Person

SHADES = np.array([1.0, 0.90, 0.80, 0.70])  # of the four levels: near, ..., far
EDGE_SHADE = 0.78  # outline between two parts; without it, equal tones would merge
ROUNDNESS = 0.22  # how much darker the body gets towards its sides


def second_tone(pattern: Pattern, u_P: np.ndarray, v_P: np.ndarray) -> np.ndarray:
    """Share of the second tone in [0, 1], float (P,), at body coordinates `u_P`, `v_P` (P,)."""
    if pattern.kind == "plain":
        return np.zeros_like(u_P)
    if pattern.kind == "block":
        return (v_P < pattern.centre_v).astype(np.float64)
    if pattern.kind == "band":
        return (np.abs(v_P - pattern.centre_v) < pattern.thickness).astype(np.float64)
    if pattern.kind == "panel":
        inside_P = (np.abs(v_P - pattern.centre_v) < pattern.thickness) & (np.abs(u_P) < 0.075)
        return inside_P.astype(np.float64)
    if pattern.kind == "halves":
        return (u_P < 0.0).astype(np.float64)
    across_P = (u_P / pattern.period + pattern.phase) % 1.0
    down_P = (v_P / pattern.period + pattern.phase) % 1.0
    if pattern.kind == "hstripes":
        return (down_P < pattern.duty).astype(np.float64)
    if pattern.kind == "vstripes":
        return (across_P < pattern.duty).astype(np.float64)
    if pattern.kind == "diagonal":
        tilted_P = ((v_P + pattern.slope * u_P) / pattern.period + pattern.phase) % 1.0
        return (tilted_P < pattern.duty).astype(np.float64)
    if pattern.kind == "checks":
        return ((across_P < 0.5) ^ (down_P < 0.5)).astype(np.float64)
    if pattern.kind == "plaid":
        return 0.5 * (across_P < pattern.duty) + 0.5 * (down_P < pattern.duty)
    if pattern.kind == "dots":
        radius = 0.22 + 0.2 * pattern.duty
        return (np.hypot(across_P - 0.5, down_P - 0.5) < radius).astype(np.float64)
    raise ValueError(f"unknown pattern {pattern.kind!r}; second_tone draws the kinds of Pattern")


def tones(
    codes_HW: np.ndarray, person: Person, pose: Pose, occluder: np.ndarray, *, infrared: bool
) -> np.ndarray:
    """Reflected light in [0, 1], float (H, W, C), C = 1 infrared or 3; 0 where no part is.

    `codes_HW` is `paint_figure`'s picture as uint8 (H, W); `occluder` is the (C,) tone of whatever
    stands before the person.
    """
    parts_HW, levels_HW = codes_HW // 4, codes_HW % 4
    channels = 1 if infrared else 3
    first_TC, second_TC = np.zeros((2, len(PARTS), channels))
    first_TC[-1] = second_TC[-1] = occluder
    mix_HW = np.zeros(codes_HW.shape)
    ys_H, xs_W = np.arange(codes_HW.shape[0]), np.arange(codes_HW.shape[1])
    v_HW = np.broadcast_to(((ys_H - pose.top_y) / pose.height)[:, None], codes_HW.shape)
    u_HW = (xs_W - pose.centre_x) / pose.height - pose.lean * (1.0 - v_HW)
    u_HW = pose.mirror * u_HW / pose.squeeze
    for name, material in person.materials.items():
        t = PARTS.index(name)
        first_TC[t] = material.infrared if infrared else material.rgb
        second_TC[t] = material.second_infrared if infrared else material.second_rgb
        if material.pattern.kind != "plain":
            here_HW = parts_HW == t
            mix_HW[here_HW] = second_tone(material.pattern, u_HW[here_HW], v_HW[here_HW])
    light_HW = SHADES[levels_HW] * (1.0 - ROUNDNESS * np.minimum((u_HW / 0.2) ** 2, 1.0))
    edge_HW = np.zeros(codes_HW.shape, bool)
    edge_HW[1:] |= codes_HW[1:] != codes_HW[:-1]
    edge_HW[:, 1:] |= codes_HW[:, 1:] != codes_HW[:, :-1]
    light_HW = np.where(edge_HW, light_HW * EDGE_SHADE, light_HW)
    step_TC = second_TC - first_TC
    return (first_TC[parts_HW] + mix_HW[..., None] * step_TC[parts_HW]) * light_HW[..., None]
