"""What a setting may take: fields of frozen dataclasses that carry a check.

A check returns what is wrong with a value, as a remedy, and "" if nothing is.
"""

import math
from collections.abc import Callable
from dataclasses import field
from typing import Any

from pclhd_jax.system.paths import given_path

MOST = 1_000_000  # of counts that have no other limit: what is above is a slip of the keyboard
# Rows of a batch; pictures of 288 x 144 in so many rows are 8 GB before the first layer.
MOST_ROWS = 65_536

NEEDED = object()  # a setting that every run has
# Where a setting may differ; each includes those before it.
FREE = ("between machines", "on resume", "between runs")
LONGEST = 300  # characters of a value

Check = Callable[[Any], str]


def setting(check: Check, *, before: Any = NEEDED, free: str = "", **more: Any) -> Any:
    """A field whose values `check` accepts.

    before: the value that behaves as the program did before it had this setting. Runs that are
    older are read with it. Every setting that is added needs one.
    free: a word of `FREE`, if the setting may differ there.
    """
    older = {} if before is NEEDED else {"before": before}
    where = {"free": FREE.index(free)} if free else {}
    return field(metadata={"check": check, **older, **where, **more})


def number(
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    **more: Any,
) -> Any:
    """A field that takes finite numbers of a range. more: as of `setting`, here and below."""

    def check(value: float) -> str:
        if not math.isfinite(value):
            return "give a finite number"
        if value < least:
            return f"give at least {least:,}"
        if value > most:
            return f"give at most {most:,}"
        if value <= above:
            return f"give more than {above:,}"
        return f"give less than {below:,}" if value >= below else ""

    return setting(check, **more)


def word(*allowed: str, **more: Any) -> Any:
    remedy = f"it must be {' or '.join(allowed)}"
    return setting(lambda value: "" if value in allowed else remedy, **more)


def text(*, empty: bool = True, **more: Any) -> Any:
    return setting(lambda value: "" if empty or value else "it must not be empty", **more)


def path(*, empty: bool = True, **more: Any) -> Any:
    """A field that takes the path of a file or folder, whose `~` is expanded."""
    return text(empty=empty, expand=given_path, **more)


def flag(**more: Any) -> Any:
    return setting(lambda value: "", **more)


def three_weights(**more: Any) -> Any:
    """(centroid, hard, dynamic)."""

    def check(value: tuple) -> str:
        if len(value) != 3:
            return f"give 3 weights (centroid, hard, dynamic), not {len(value)}"
        finite = all(is_number(w) and math.isfinite(w) and w >= 0 for w in value)
        return "" if finite else "give finite weights of at least 0"

    return setting(check, **more)


def several(is_allowed: Callable[[Any], bool], what: str, *, least: int = 1, **more: Any) -> Any:
    """A field that takes a tuple of at least so many values."""

    def check(value: tuple) -> str:
        return "" if len(value) >= least and all(map(is_allowed, value)) else f"give {what}"

    return setting(check, **more)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def channels(width: float) -> str:
    if not 0 < width <= 8:
        return "give more than 0 and at most 8"
    # 64 channels of the stem, and multiples of them: a width that does not divide states another
    # encoder than the one it builds.
    return "" if (64 * width).is_integer() else "give a multiple of 1/64: 64 channels times it"


def in_short(value: Any) -> str:
    """A setting's value, shortened: the config.json of a stranger may hold anything."""
    words = repr(value)  # which shows control characters as escapes
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
