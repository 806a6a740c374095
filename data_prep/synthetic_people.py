"""Who a synthetic person is: build, clothes, bag and materials, drawn once per identity.

Lengths are in body heights: `u` runs across the body (0 = its middle), `v` down it (0 = top of the
head, 1 = soles).
"""

import colorsys
from dataclasses import dataclass, replace

import numpy as np

from .synthetic_difficulty import MEDIUM, Difficulty

# ---- knobs: what makes identities differ -----------------------------------------------------
# Share of upper (lower) garments that carry a pattern; the rest are plain. Higher = easier.
UPPER_PATTERN_SHARE = 1.0
LOWER_PATTERN_SHARE = 0.95
# Share of people with a bag, and with a hat. Higher = easier.
BAG_SHARE = 0.8
HAT_SHARE = 0.45
# Range of a pattern's period. The lower end is 6.8 px for a person 100 px tall: a shorter one is
# lost when a 128 x 64 picture is shrunk to 96 x 48.
PATTERN_PERIOD = (0.068, 0.20)
# Difference of luma between a garment's two tones, the same in both modalities. Wider = easier.
PATTERN_CONTRAST = (0.32, 0.46)
# Range of garment tones: luma in the visible, reflectance in the infrared. A garment's level in
# the one says nothing about its level in the other. Narrower = easier across modalities.
VISIBLE_TONES = (0.28, 0.78)
INFRARED_TONES = (0.28, 0.78)

UPPER_PATTERNS = (
    "hstripes",
    "vstripes",
    "checks",
    "plaid",
    "dots",
    "diagonal",
    "block",
    "band",
    "panel",
    "halves",
)
LOWER_PATTERNS = ("hstripes", "vstripes", "checks", "dots", "diagonal", "block")
HAIR_STYLES = ("bald", "short", "bob", "long", "ponytail", "bun", "afro")
HAIR_RGB = ((28, 24, 22), (60, 40, 28), (110, 72, 40), (190, 155, 95), (165, 165, 165))
HATS = ("none", "cap", "beanie")
FRONTS = ("closed", "open", "hood")
_LOOK_ALIKE, _CHANGES = 9901, 9902  # keep these draws apart from all others
BAGS = ("none", "backpack", "shoulder", "hand")
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, what JPEG's Y is made of


@dataclass(frozen=True)
class Pattern:
    """Where a garment's second tone lies; `period`, `thickness`, `centre_v` in body heights."""

    kind: str = "plain"
    period: float = 0.1
    duty: float = 0.5  # share of a period taken by the second tone
    phase: float = 0.0  # in periods
    slope: float = 1.0  # of diagonal stripes
    centre_v: float = 0.32  # where a block ends, or a band or panel sits
    thickness: float = 0.05  # half height of a band or panel


@dataclass(frozen=True)
class Material:
    """Two tones in each modality, each in [0, 1], and the pattern that mixes them."""

    rgb: tuple[float, float, float]
    second_rgb: tuple[float, float, float]
    infrared: float
    second_infrared: float
    pattern: Pattern = Pattern()


@dataclass(frozen=True)
class Person:
    """All that persists from picture to picture of one identity."""

    shoulder: float  # half widths
    waist: float
    hip: float
    head: float  # height of the head
    crotch_v: float
    gait: float  # how far legs and arms swing, 1 = average
    hair_style: str
    hat: str
    long_sleeves: bool
    front: str  # closed, open (the inner garment shows), hood
    hem_v: float  # lower edge of the upper garment
    lower: str  # trousers, shorts, skirt
    lower_hem_v: float
    leg_width: float  # half width of a trouser leg
    boot: float  # height of the shoes
    bag: str
    bag_side: int  # -1 or 1
    bag_size: float
    materials: dict[str, Material]


def person_traits(seed: int, identity: int, difficulty: Difficulty = MEDIUM) -> Person:
    """Draws the person `identity` of the set `seed`: a pure function of the arguments."""
    person = _alone(seed, identity, difficulty)
    rng = np.random.default_rng([seed, identity, 0, _LOOK_ALIKE])
    if identity < 2 or rng.random() >= difficulty.look_alikes:
        return person
    other = _alone(seed, identity - 1, difficulty)
    if rng.random() < 0.5:
        same = {name: other.materials[name] for name in ("upper", "sleeve")}
        return replace(person, materials=person.materials | same)
    return replace(
        person,
        lower=other.lower,
        lower_hem_v=other.lower_hem_v,
        materials=person.materials | {"lower": other.materials["lower"]},
    )


def as_seen_by(
    person: Person, seed: int, identity: int, camera: int, difficulty: Difficulty
) -> Person:
    """The person as one camera met them: now and then with another bag, hat and front."""
    rng = np.random.default_rng([seed, identity, camera, 0, _CHANGES])
    if rng.random() >= difficulty.changes:
        return person
    return replace(
        person,
        bag=str(rng.choice(BAGS)),
        bag_side=int(rng.choice([-1, 1])),
        hat=str(rng.choice(HATS)),
        front=str(rng.choice(FRONTS)),
    )


def _alone(seed: int, identity: int, difficulty: Difficulty) -> Person:
    rng = np.random.default_rng([seed, identity])
    build = rng.uniform(0.0, 1.0)
    shoulder = 0.106 + 0.055 * build + rng.uniform(0.0, 0.012)
    lower = str(rng.choice(["trousers", "shorts", "skirt"], p=[0.5, 0.25, 0.25]))
    lower_hem = {"trousers": (0.93, 0.96), "shorts": (0.61, 0.76), "skirt": (0.62, 0.90)}[lower]
    crotch_v = rng.uniform(0.46, 0.55)
    long_coat = rng.random() < 0.25
    hem_v = rng.uniform(0.59, 0.76) if long_coat else crotch_v + rng.uniform(-0.09, 0.03)
    return Person(
        shoulder=shoulder,
        waist=shoulder * rng.uniform(0.70, 1.02),
        hip=shoulder * rng.uniform(0.78, 1.02),
        head=rng.uniform(0.120, 0.158),
        crotch_v=crotch_v,
        gait=rng.uniform(0.6, 1.3),
        hair_style=str(rng.choice(HAIR_STYLES)),
        hat=str(rng.choice(HATS[1:]) if rng.random() < HAT_SHARE else HATS[0]),
        long_sleeves=bool(long_coat or rng.random() < 0.55),
        front=str(rng.choice(FRONTS, p=[0.5, 0.3, 0.2])),
        hem_v=hem_v,
        lower=lower,
        lower_hem_v=rng.uniform(*lower_hem),
        leg_width=rng.uniform(0.038, 0.072),
        boot=float(rng.choice([0.03, 0.04, 0.10])),
        bag=str(rng.choice(BAGS[1:]) if rng.random() < BAG_SHARE else BAGS[0]),
        bag_side=int(rng.choice([-1, 1])),
        bag_size=rng.uniform(0.85, 1.4),
        materials=_wardrobe(rng, crotch_v, difficulty.same_polarity),
    )


def _wardrobe(
    rng: np.random.Generator, crotch_v: float, same_polarity: float
) -> dict[str, Material]:
    upper_kind = "plain"
    if rng.random() < UPPER_PATTERN_SHARE:
        upper_kind = str(rng.choice(UPPER_PATTERNS))
    lower_kind = "plain"
    if rng.random() < LOWER_PATTERN_SHARE:
        lower_kind = str(rng.choice(LOWER_PATTERNS))
    upper = _garment(rng, _pattern(rng, upper_kind, centre_v=(0.27, 0.40)), same_polarity)
    lower_centre_v = (crotch_v + 0.12, crotch_v + 0.26)
    lower = _garment(rng, _pattern(rng, lower_kind, centre_v=lower_centre_v), same_polarity)
    # Sleeves of another cloth are a cue that both modalities show.
    sleeve = _garment(rng, Pattern()) if rng.random() < 0.25 else upper
    return {
        "skin": _skin(rng),
        "hair": _hair(rng),
        "upper": upper,
        "sleeve": sleeve,
        "inner": _garment(rng, Pattern()),
        "lower": lower,
        "shoes": _garment(rng, Pattern()),
        "bag": _garment(rng, Pattern()),
        "hat": _garment(rng, Pattern()),
    }


def _pattern(rng: np.random.Generator, kind: str, centre_v: tuple[float, float]) -> Pattern:
    return Pattern(
        kind=kind,
        period=rng.uniform(*PATTERN_PERIOD),
        duty=rng.uniform(0.35, 0.65),
        phase=rng.uniform(0.0, 1.0),
        slope=float(rng.choice([-1.0, 1.0])) * rng.uniform(0.6, 1.4),
        centre_v=rng.uniform(*centre_v),
        thickness=rng.uniform(0.03, 0.07),
    )


def _garment(rng: np.random.Generator, pattern: Pattern, same_polarity: float = 0.5) -> Material:
    """Dyes that differ to the eye may look alike under a lamp at 850 nm, and the other way round.

    So the infrared level is drawn without a look at the visible one; what carries over is the
    pattern: the size of the step between its two tones and, mostly, its sign: a dark print absorbs
    the lamp too, whatever the cloth under it does. Plain garments have no such tie.
    """
    contrast = rng.uniform(*PATTERN_CONTRAST)
    second_is_brighter = rng.random() < 0.5
    stays = rng.random() < (0.5 if pattern.kind == "plain" else same_polarity)
    visible, second_visible = _two_tones(rng, contrast, *VISIBLE_TONES, second_is_brighter)
    infrared, second_infrared = _two_tones(
        rng, contrast, *INFRARED_TONES, second_is_brighter == stays
    )
    return Material(
        rgb=_colour(rng, visible),
        second_rgb=_colour(rng, second_visible),
        infrared=infrared,
        second_infrared=second_infrared,
        pattern=pattern,
    )


def _two_tones(
    rng: np.random.Generator, contrast: float, low: float, high: float, second_is_brighter: bool
) -> tuple[float, float]:
    darker = rng.uniform(low, high - contrast)
    tones = (darker, darker + contrast)
    return tones if second_is_brighter else tones[::-1]


def _colour(rng: np.random.Generator, luma: float) -> tuple[float, float, float]:
    """A colour of random hue and saturation with the given luma."""
    rgb = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.10, 0.85), 1.0))
    brightest = float(rgb @ LUMA)
    if luma <= brightest:
        rgb = rgb * (luma / brightest)
    else:
        rgb = rgb + (1.0 - rgb) * ((luma - brightest) / (1.0 - brightest))
    return tuple(float(channel) for channel in rgb)


def _skin(rng: np.random.Generator) -> Material:
    light, dark = np.array([0.93, 0.74, 0.62]), np.array([0.42, 0.28, 0.20])
    depth = rng.uniform(0.0, 1.0)
    rgb = tuple(float(channel) for channel in light + depth * (dark - light))
    # Melanin absorbs little beyond 800 nm: all skin is bright there.
    infrared = rng.uniform(0.68, 0.78)
    return Material(rgb, rgb, infrared, infrared)


def _hair(rng: np.random.Generator) -> Material:
    rgb = tuple(channel / 255.0 for channel in HAIR_RGB[rng.integers(len(HAIR_RGB))])
    infrared = rng.uniform(0.38, 0.60)
    return Material(rgb, rgb, infrared, infrared)
