"""One person in one pose, painted back to front as a map of body parts.

`synthetic_tones` colours the map afterwards, so that both modalities share one geometry.
"""

import numpy as np
from PIL import Image

from .synthetic_canvas import SIDE_WIDTH, Canvas, Pose
from .synthetic_people import Person


def paint_figure(person: Person, pose: Pose, *, height: int, width: int) -> Image.Image:
    """Code picture, mode L, size (width, height) in pixels; 0 where the background shows."""
    canvas = Canvas(height, width, pose)
    if pose.sideways:
        _backpack(canvas, person)
        _arm(canvas, person, side=-1)
    _legs(canvas, person)
    _torso(canvas, person)
    if pose.sideways:
        _arm(canvas, person, side=1)
    else:
        _arm(canvas, person, side=-1)
        _arm(canvas, person, side=1)
        _backpack(canvas, person)
    _hanging_bag(canvas, person)
    _head(canvas, person)
    return canvas.image


def _legs(canvas: Canvas, person: Person) -> None:
    pose, w = canvas.pose, person.leg_width * (1.2 if canvas.pose.sideways else 1.0)
    reach = pose.stride * person.gait
    top_v = person.crotch_v - 0.04
    for side in (-1, 1):
        level = 1 if side < 0 else 0
        if pose.sideways:
            hip_u, foot_u = 0.0, side * reach * 0.11
            knee_u, lift = foot_u * 0.55 + 0.012, 0.0
        else:
            hip_u = side * max(person.hip - w, 0.03)
            foot_u = hip_u * 0.85
            knee_u, lift = hip_u * 0.95, max(0.0, side * reach) * 0.025
        hip, knee, ankle = (hip_u, top_v), (knee_u, 0.73), (foot_u, 0.955 - lift)
        toe = 0.055 if pose.sideways else 0.0
        canvas.limb("skin", [hip, knee, ankle], [w * 0.9, 0.036, 0.026], level)
        boot_v = ankle[1] + 0.045 - person.boot - 0.02
        canvas.limb("shoes", [(foot_u, boot_v), (foot_u, ankle[1])], [0.030, 0.032], level)
        canvas.polygon(
            "shoes",
            [
                (foot_u - 0.034, ankle[1] - 0.01),
                (foot_u + 0.034, ankle[1] - 0.01),
                (foot_u + 0.036 + toe, ankle[1] + 0.045),
                (foot_u - 0.036, ankle[1] + 0.045),
            ],
            level,
        )
        if person.lower == "trousers":
            cuff = (foot_u, person.lower_hem_v - lift)
            canvas.limb("lower", [hip, knee, cuff], [w * 1.15, w, w * 0.9], level)
        elif person.lower == "shorts":
            t = (person.lower_hem_v - top_v) / (0.73 - top_v)
            hem = (hip_u + (knee_u - hip_u) * t, person.lower_hem_v)
            canvas.limb("lower", [hip, hem], [w * 1.15, w * 1.15], level)
    hip = person.hip * pose.squeeze
    fork = min(hip, 1.15 * w) if pose.sideways else hip
    pelvis = [(hip, top_v - 0.06), (hip, top_v - 0.01), (fork, top_v + 0.05)]
    canvas.polygon("lower", pelvis + [(-u, v) for u, v in reversed(pelvis)])
    if person.lower == "skirt":
        flare = hip * 1.15 + (0.03 * abs(reach) if pose.sideways else 0.0)
        hem_v = person.lower_hem_v
        canvas.polygon("lower", [(-hip, top_v), (hip, top_v), (flare, hem_v), (-flare, hem_v)])


def _torso(canvas: Canvas, person: Person) -> None:
    k = canvas.pose.squeeze
    neck_v, hem_v = person.head + 0.02, person.hem_v
    sh, wa, hi = person.shoulder * k, person.waist * k, person.hip * k * 1.06
    flare = hi * 1.1 if hem_v > 0.58 else hi
    canvas.polygon("skin", [(-0.03, 0.1), (0.03, 0.1), (0.036, 0.2), (-0.036, 0.2)], 1)
    right = [
        (0.04, neck_v),
        (sh * 0.85, neck_v + 0.025),
        (sh, neck_v + 0.06),
        (wa, 0.38),
        (hi, min(0.5, hem_v)),
        (flare, hem_v),
    ]
    canvas.polygon("upper", right + [(-u, v) for u, v in reversed(right)])
    view = canvas.pose.view
    if person.front == "open" and canvas.pose.sideways:
        canvas.polygon(
            "inner",
            [(sh * 0.45, neck_v), (sh, neck_v + 0.01), (flare, hem_v), (flare * 0.6, hem_v)],
        )
    elif person.front == "open" and view == "front":
        collar, hem = [(-0.045, neck_v), (0.045, neck_v)], [(0.054, hem_v), (-0.054, hem_v)]
        canvas.polygon("inner", collar + hem)
    elif person.front == "hood" and canvas.pose.sideways:
        canvas.ellipse("upper", -0.045, neck_v + 0.01, 0.055, 0.035, 1)
    elif person.front == "hood" and view == "back":
        canvas.ellipse("upper", 0.0, neck_v + 0.035, 0.08, 0.06, 1)
    elif person.front == "hood":
        canvas.ellipse("upper", 0.0, neck_v, 0.085, 0.035, 1)
    if view == "front" and person.front != "open":
        canvas.ellipse("skin", 0.0, neck_v, 0.036, 0.018, 1)


def _wrist(canvas: Canvas, person: Person, side: int) -> tuple[float, float]:
    pose, reach = canvas.pose, canvas.pose.stride * canvas.pose.arm_spread / 0.03
    if pose.sideways:
        return -side * reach * person.gait * 0.10 + 0.02, 0.49
    return side * (person.shoulder + 0.022 + pose.arm_spread), 0.50 - 0.02 * side * pose.stride


def _arm(canvas: Canvas, person: Person, side: int) -> None:
    wrist = _wrist(canvas, person, side)
    shoulder_v = person.head + 0.085
    shoulder_u = 0.0 if canvas.pose.sideways else side * (person.shoulder - 0.012)
    elbow_u = (shoulder_u + wrist[0]) / 2
    elbow_u += -0.015 if canvas.pose.sideways else side * 0.012
    elbow = (elbow_u, (shoulder_v + wrist[1]) / 2)
    level = 2 if canvas.pose.sideways and side < 0 else 0
    thick = 0.026 + 0.10 * (person.shoulder - 0.112)
    canvas.limb("skin", [(shoulder_u, shoulder_v), elbow, wrist], [thick, thick, 0.022], level)
    canvas.ellipse("skin", wrist[0], wrist[1] + 0.012, 0.022, 0.028, level)
    uv, widths = [(shoulder_u, shoulder_v), elbow, wrist], [thick + 0.008, thick + 0.007, 0.027]
    if not person.long_sleeves:
        middle = tuple(np.add(np.multiply(uv[0], 0.25), np.multiply(elbow, 0.75)))
        uv, widths = [uv[0], middle], [thick + 0.008, thick + 0.012]
    canvas.limb("sleeve", uv, widths, level)


def _backpack(canvas: Canvas, person: Person) -> None:
    if person.bag != "backpack":
        return
    size, top_v = person.bag_size, person.head + 0.05
    if canvas.pose.sideways:
        middle_u = -person.shoulder * SIDE_WIDTH
        canvas.ellipse("bag", middle_u - 0.02 * size, top_v + 0.10 * size, 0.06 * size, 0.11 * size)
    elif canvas.pose.view == "back":
        half = 0.085 * size
        bottom_v = top_v + 0.21 * size
        canvas.polygon(
            "bag",
            [
                (-half * 0.8, top_v),
                (half * 0.8, top_v),
                (half, bottom_v),
                (-half, bottom_v),
            ],
        )
        pocket = [(-half * 0.7, bottom_v - 0.09 * size), (half * 0.7, bottom_v - 0.09 * size)]
        canvas.polygon("bag", [*pocket, (half * 0.7, bottom_v), (-half * 0.7, bottom_v)], 2)
    else:
        for side in (-1, 1):
            u = side * person.shoulder * 0.62
            strap = [(u - 0.017, top_v - 0.02), (u + 0.017, top_v - 0.02)]
            canvas.polygon("bag", [*strap, (u + 0.017, top_v + 0.19), (u - 0.017, top_v + 0.19)])


def _hanging_bag(canvas: Canvas, person: Person) -> None:
    side, size, sideways = person.bag_side, person.bag_size, canvas.pose.sideways
    if sideways and side != canvas.pose.mirror:
        return  # the body hides it: a viewer of the other flank sees no bag
    if person.bag == "shoulder":
        u = 0.0 if sideways else side * person.shoulder * 0.95
        v, start_v = person.crotch_v - 0.03, person.head + 0.03
        start_u = 0.0 if sideways else -side * person.shoulder * 0.6
        canvas.limb("bag", [(start_u, start_v), (u, v)], [0.012, 0.012], 1)
        half = 0.062 * size
        canvas.polygon(
            "bag",
            [(u - half, v), (u + half, v), (u + half, v + 1.6 * half), (u - half, v + 1.6 * half)],
        )
    elif person.bag == "hand":
        u, v = _wrist(canvas, person, 1 if sideways else side)
        half = 0.055 * size
        canvas.polygon("bag", [(u - 0.012, v + 0.02), (u + 0.012, v + 0.02), (u, v + 0.07)], 1)
        canvas.polygon(
            "bag",
            [
                (u - half * 0.8, v + 0.05),
                (u + half * 0.8, v + 0.05),
                (u + half, v + 0.06 + 2 * half),
                (u - half, v + 0.06 + 2 * half),
            ],
        )


def _head(canvas: Canvas, person: Person) -> None:
    style, view, half_v = person.hair_style, canvas.pose.view, person.head / 2
    half_u = half_v * 0.80
    back_u = -0.018 if canvas.pose.sideways else 0.0
    falls = {"bob": 1.15, "long": 1.9}.get(style)
    if falls:
        wide = half_u * (0.85 if canvas.pose.sideways else 1.22)
        end_v = person.head * falls
        canvas.polygon(
            "hair",
            [
                (back_u * 1.6 - wide, half_v),
                (back_u * 1.6 + wide, half_v),
                (back_u * 1.6 + wide, end_v),
                (back_u * 1.6 - wide, end_v),
            ],
        )
    if style == "afro":
        canvas.ellipse("hair", back_u, half_v * 0.8, half_u * 1.5, half_v * 1.1)
    elif style == "bun":
        canvas.ellipse("hair", back_u * 2.5, 0.0, 0.030, 0.026)
    if view == "back":
        canvas.ellipse("skin" if style == "bald" else "hair", 0.0, half_v, half_u, half_v)
    else:
        if style != "bald":
            canvas.ellipse("hair", back_u, half_v * 0.93, half_u * 1.12, half_v)
        canvas.ellipse("skin", -back_u * 0.4, half_v * 1.14, half_u * 0.92, half_v * 0.9)
    if style == "ponytail" and view != "front":
        u = back_u * 3.6
        canvas.limb("hair", [(u * 0.7, half_v * 0.8), (u, person.head * 1.7)], [0.026, 0.016])
    if person.hat == "none":
        return
    canvas.ellipse("hat", 0.0, half_v * 0.42, half_u * 1.18, half_v * 0.60)
    if person.hat == "cap" and view != "back":
        far_u = half_u * 2.0 if canvas.pose.sideways else half_u * 1.25
        near_u = 0.0 if canvas.pose.sideways else -far_u
        peak = [(near_u, half_v * 0.72), (far_u, half_v * 0.72)]
        canvas.polygon("hat", [*peak, (far_u, half_v * 0.96), (near_u, half_v * 0.96)], 1)
