"""How hard a synthetic set is: named levels, each a handful of numbers."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Difficulty:
    """What hides a person, and what makes people alike. The defaults are the level `medium`."""

    hiding: float = 1.0  # scale of pose, light, noise, background and box errors; 0: a studio
    # Both on top of `hiding`: of the chance of a post, a box or a passer-by, and of the cameras'
    # colour casts and gains.
    occluders: float = 1.0
    camera_shift: float = 1.0
    # Chance that the brighter of a pattern's two tones is the brighter one in both modalities.
    same_polarity: float = 0.95
    # Share of people who wear, above or below the hip, what the person of the number before was
    # drawn with.
    look_alikes: float = 0.0
    changes: float = 0.0  # chance that a camera sees someone with another bag, hat and front
    uneven: float = 0.0  # spread of the logarithm of a person's pictures by a camera


MEDIUM = Difficulty()
LEVELS = {
    "easy": Difficulty(hiding=0.5, occluders=0.5, camera_shift=0.5, same_polarity=1.0),
    "medium": MEDIUM,
    "hard": Difficulty(
        hiding=1.3,
        occluders=2.0,
        camera_shift=2.0,
        same_polarity=0.85,
        look_alikes=0.3,
        changes=0.3,
        uneven=0.5,
    ),
}


def difficulty_of(value: str | float) -> Difficulty:
    """A level by its name, or a number: `medium` with another scale of what hides a person.

    Raises:
      ValueError: another word, or a number out of 0 to 3.
    """
    if isinstance(value, str) and value in LEVELS:
        return LEVELS[value]
    try:
        hiding = float(value)
    except ValueError:
        raise ValueError(
            f"difficulty {value!r}: give {', '.join(LEVELS)}, or a number of 0 to 3"
        ) from None
    if not 0.0 <= hiding <= 3.0:
        raise ValueError(f"difficulty {value}: give 0 to 3")
    return Difficulty(hiding=hiding)


def describe(difficulty: Difficulty) -> str:
    """For the README.txt of a set: its level's name, or where it is no level its numbers.

    `medium` and numbers alone are a number, as they were before there were names.
    """
    if difficulty == Difficulty(hiding=difficulty.hiding):
        return str(difficulty.hiding)
    names = [name for name, level in LEVELS.items() if level == difficulty]
    return names[0] if names else str(asdict(difficulty))
