"""One synthetic picture: a person before a camera, with all that the camera adds.

Every picture is a pure function of (seed, identity, camera, shot) and the picture size.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .synthetic_canvas import PARTS, Pose
from .synthetic_difficulty import MEDIUM, Difficulty
from .synthetic_figure import paint_figure
from .synthetic_people import Person, as_seen_by, person_traits
from .synthetic_tones import tones

# ---- knobs: what hides identities; `Difficulty.hiding` scales those marked * ------------------
BACKGROUND_CONTRAST = 0.09  # * amplitude of a scene's pillars, panels and texture
BACKGROUND_VISIBLE = (0.38, 0.60)  # range of a visible camera's mean background
BACKGROUND_INFRARED = (0.30, 0.50)  # the lamp reaches the wall, weakly
CAST = 0.06  # *, and camera_shift: largest change of a colour channel by a visible camera
CAMERA_GAIN = 0.06  # *, and camera_shift: largest change of brightness by a camera
SHOT_GAIN = 0.05  # * the same by one shot's light
NOISE_VISIBLE = 0.012  # * standard deviation of the noise, of full scale
NOISE_INFRARED = 0.012  # *
VIGNETTE = 0.20  # * fall-off of the infrared lamp from the middle to the corners
BLUR_VISIBLE = (0.2, 0.6)  # range of a camera's blur radius, in pixels at a height of 128
BLUR_INFRARED = (0.3, 0.7)
JPEG_QUALITY = (75, 95)
STRIDE = 0.9  # * largest swing of the legs
LEAN = 0.025  # * largest shift of the head against the feet, in body heights
VIEW_SHARES = (0.44, 0.36, 0.10, 0.10)  # front, back, left, right
PERSON_HEIGHT = (0.84, 0.93)  # range of the person's share of the picture's height
OFFSET = 0.04  # * largest error of the detector's box, share of the width (height: half of it)
CROP_BIAS = 0.02  # * a camera's own vertical error, share of the height
OCCLUDER = 0.08  # *, and occluders: chance of a post, a box or a passer-by before the person

SUPERSAMPLE = 2  # drawn this much larger, then averaged
VIEWS = ("front", "back", "left", "right")


@dataclass(frozen=True)
class Camera:
    """What persists from picture to picture of one camera; `scene_HWC` in [0, 1]."""

    infrared: bool
    gain_C: np.ndarray
    blur: float
    noise: float
    crop_bias: float
    jpeg_quality: int
    scene_HWC: np.ndarray  # larger than a picture, so that shots can look at different parts


@lru_cache(maxsize=32)
def camera_traits(
    seed: int, camera: int, infrared: bool, height: int, width: int, difficulty: Difficulty
) -> Camera:
    """Draws camera `camera` of the set `seed`, for pictures of (height, width) pixels."""
    rng = np.random.default_rng([seed, 1000 + camera])
    hiding, shift = difficulty.hiding, difficulty.hiding * difficulty.camera_shift
    gain = 1.0 + shift * rng.uniform(-CAMERA_GAIN, CAMERA_GAIN)
    cast_C = 1.0 + shift * rng.uniform(-CAST, CAST, 1 if infrared else 3)
    return Camera(
        infrared=infrared,
        gain_C=gain * (np.ones(1) if infrared else cast_C),
        blur=rng.uniform(*(BLUR_INFRARED if infrared else BLUR_VISIBLE)) * height / 128,
        noise=hiding * (NOISE_INFRARED if infrared else NOISE_VISIBLE),
        crop_bias=hiding * rng.uniform(-CROP_BIAS, CROP_BIAS),
        jpeg_quality=int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1)),
        scene_HWC=_scene(rng, infrared, height, width, hiding * BACKGROUND_CONTRAST),
    )


def _scene(
    rng: np.random.Generator, infrared: bool, height: int, width: int, contrast: float
) -> np.ndarray:
    """Wall, floor, pillars, panels and a mottled texture, (1.1 height, 2 width) supersampled."""
    rows, columns = round(1.1 * height) * SUPERSAMPLE, 2 * width * SUPERSAMPLE
    light = Image.new("L", (columns, rows), 128)
    draw = ImageDraw.Draw(light)
    for _ in range(rng.integers(2, 6)):  # pillars and door frames
        x, wide = rng.uniform(0, columns), rng.uniform(0.04, 0.2) * columns
        draw.rectangle((x, 0, x + wide, rows), fill=int(rng.integers(60, 196)))
    for _ in range(rng.integers(2, 6)):  # panels and windows
        x, y = rng.uniform(0, columns), rng.uniform(0, 0.6 * rows)
        size = rng.uniform(0.08, 0.25, 2) * (columns, rows)
        draw.rectangle((x, y, x + size[0], y + size[1]), fill=int(rng.integers(40, 216)))
    floor_y = rng.uniform(0.74, 0.90) * rows
    draw.rectangle((0, floor_y, columns, rows), fill=int(rng.integers(30, 226)))
    light_HW = np.asarray(light, np.float64) / 128.0 - 1.0
    for cells, share in ((6, 0.5), (40, 0.35)):
        coarse = Image.fromarray(rng.uniform(-1.0, 1.0, (cells, cells)).astype(np.float32))
        light_HW = light_HW + share * np.asarray(coarse.resize((columns, rows), Image.BICUBIC))
    mean = rng.uniform(*(BACKGROUND_INFRARED if infrared else BACKGROUND_VISIBLE))
    tint_C = np.ones(1) if infrared else 1.0 + rng.uniform(-0.08, 0.08, 3)
    return np.clip(mean * tint_C + contrast * light_HW[..., None], 0.0, 1.0)


def draw_picture(
    *,
    seed: int,
    identity: int,
    camera: int,
    shot: int,
    infrared: bool,
    height: int = 128,
    width: int = 64,
    difficulty: Difficulty = MEDIUM,
) -> tuple[np.ndarray, int]:
    """Draws one picture.

    Returns:
      uint8 (height, width, 3), the channels equal in the infrared; and the JPEG quality of the
      camera, in [1, 95].
    """
    rng = np.random.default_rng([seed, identity, camera, shot])
    device = camera_traits(seed, camera, infrared, height, width, difficulty)
    person = person_traits(seed, identity, difficulty)
    person = as_seen_by(person, seed, identity, camera, difficulty)
    hiding = difficulty.hiding
    tall, wide = height * SUPERSAMPLE, width * SUPERSAMPLE
    pose = _pose(rng, device, tall, wide, hiding)
    codes = paint_figure(person, pose, height=tall, width=wide)
    if rng.random() < hiding * difficulty.occluders * OCCLUDER:
        _occlude(rng, codes)
    occluder_C = rng.uniform(0.15, 0.7) * (np.ones(1) if infrared else rng.uniform(0.85, 1.15, 3))
    codes_HW = np.asarray(codes)
    light_HWC = _before_scene(rng, codes_HW, person, pose, occluder_C, device)
    return _expose(rng, light_HWC, device, hiding), device.jpeg_quality


def _pose(rng: np.random.Generator, device: Camera, height: int, width: int, hiding: float) -> Pose:
    tall = rng.uniform(*PERSON_HEIGHT) * height
    spare = height - tall
    shift_x, shift_y = hiding * OFFSET * rng.uniform(-1.0, 1.0, 2)
    return Pose(
        view=VIEWS[rng.choice(len(VIEWS), p=VIEW_SHARES)],
        stride=hiding * rng.uniform(-STRIDE, STRIDE),
        lean=hiding * rng.uniform(-LEAN, LEAN),
        arm_spread=rng.uniform(0.005, 0.035),
        centre_x=(0.5 + shift_x) * width,
        top_y=spare / 2 + (shift_y / 2 + device.crop_bias) * height,
        height=tall,
    )


def _occlude(rng: np.random.Generator, codes: Image.Image) -> None:
    """Paints a post, a box or the outline of a passer-by over `codes`, in place."""
    draw, fill = ImageDraw.Draw(codes), PARTS.index("occluder") * 4
    width, height = codes.size
    kind = rng.choice(["post", "box", "passer-by"])
    side = rng.choice([0.0, 1.0])
    if kind == "post":
        x = rng.uniform(0.1, 0.9) * width
        draw.rectangle((x, 0, x + rng.uniform(0.06, 0.13) * width, height), fill=fill)
    elif kind == "box":
        middle, half = rng.uniform(0.1, 0.9) * width, rng.uniform(0.15, 0.35) * width
        top = rng.uniform(0.72, 0.88) * height
        draw.rectangle((middle - half, top, middle + half, height), fill=fill)
    else:
        x, top = side * width, rng.uniform(0.0, 0.12) * height
        head, half = 0.07 * height, rng.uniform(0.10, 0.14) * height
        draw.ellipse((x - 0.8 * head, top, x + 0.8 * head, top + 2 * head), fill=fill)
        shoulders = (x - half, top + 1.9 * head, x + half, height)
        draw.rounded_rectangle(shoulders, radius=half / 2, fill=fill)


def _before_scene(
    rng: np.random.Generator,
    codes_HW: np.ndarray,
    person: Person,
    pose: Pose,
    occluder_C: np.ndarray,
    device: Camera,
) -> np.ndarray:
    scene_HWC = device.scene_HWC
    y = rng.integers(scene_HWC.shape[0] - codes_HW.shape[0] + 1)
    x = rng.integers(scene_HWC.shape[1] - codes_HW.shape[1] + 1)
    view_HWC = scene_HWC[y : y + codes_HW.shape[0], x : x + codes_HW.shape[1]]
    figure_HWC = tones(codes_HW, person, pose, occluder_C, infrared=device.infrared)
    return np.where(codes_HW[..., None] == 0, view_HWC, figure_HWC)


def _expose(
    rng: np.random.Generator, light_HWC: np.ndarray, device: Camera, hiding: float
) -> np.ndarray:
    """Light in [0, 1], supersampled, to the sensor's uint8 (H, W, 3)."""
    exposed_HWC = light_HWC * device.gain_C * (1.0 + hiding * rng.uniform(-1, 1) * SHOT_GAIN)
    y_H = np.linspace(-1.0, 1.0, exposed_HWC.shape[0])[:, None, None]
    x_W = np.linspace(-1.0, 1.0, exposed_HWC.shape[1])[None, :, None]
    if device.infrared:
        exposed_HWC *= 1.0 - hiding * VIGNETTE * (x_W**2 + y_H**2) / 2.0
    else:  # a window on one side
        exposed_HWC *= 1.0 + hiding * SHOT_GAIN * rng.uniform(-1, 1) * x_W
    levels_HWC = (np.clip(exposed_HWC, 0.0, 1.0) * 255.0).astype(np.uint8)
    picture = Image.fromarray(levels_HWC[..., 0] if device.infrared else levels_HWC)
    picture = picture.reduce(SUPERSAMPLE).filter(ImageFilter.GaussianBlur(device.blur))
    seen_HWC = np.atleast_3d(np.asarray(picture, np.float64))
    seen_HWC = seen_HWC + 255.0 * device.noise * rng.standard_normal(seen_HWC.shape)
    seen_HWC = np.clip(np.rint(seen_HWC), 0, 255).astype(np.uint8)
    return np.repeat(seen_HWC, 3, axis=2) if device.infrared else seen_HWC
