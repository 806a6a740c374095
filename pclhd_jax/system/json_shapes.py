"""What a value of a JSON file must look like: small checks that combine to a schema.

A `Shape` takes a value and the name of its place, and raises ValueError that says what stands there
and what must. `json_files` reads a file by one.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pclhd_jax.system.text import printable

Shape = Callable[[Any, str], None]
MOST_WHOLE = 2**63 - 1
MOST_REAL = 1e308
SHOWN = 60  # characters of a value in a message


def anything(_value: Any, _where: str) -> None:
    """Accepts any value; the program does not use it."""


def whole(least: int = -MOST_WHOLE, most: int = MOST_WHOLE) -> Shape:
    def check(value: Any, where: str) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not (is_whole and least <= value <= most):
            raise _wrong(value, where, f"a whole number from {least:,} to {most:,}")

    return check


def real(least: float = -math.inf, most: float = math.inf, *, finite: bool = True) -> Shape:
    """A number. finite: refuse NaN and infinities."""

    def check(value: Any, where: str) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = is_number and (
            (least <= value <= most and abs(value) <= MOST_REAL)
            or (not finite and isinstance(value, float))
        )
        if not fits:
            limits = "" if least == -math.inf else f" from {least:g} to {most:g}"
            raise _wrong(value, where, f"a {'finite ' * finite}number{limits}")

    return check


def text(*, pattern: str = "", most: int = 4096) -> Shape:
    """A text. pattern: the whole text must match it."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or len(value) > most:
            raise _wrong(value, where, f"a text of at most {most:,} characters")
        if pattern and not re.fullmatch(pattern, value):
            raise _wrong(value, where, f"a text of the form {pattern}")

    return check


def list_of(shape: Shape, *, least: int = 0, most: int = 1_000_000) -> Shape:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise _wrong(value, where, f"a list of {least:,} to {most:,} entries")
        for place, entry in enumerate(value):
            shape(entry, f"{where}[{place}]")

    return check


def table_of(shape: Shape, *, most: int = 10_000) -> Shape:
    """An object with any names; every value has this shape."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            raise _wrong(value, where, f"an object of at most {most:,} entries")
        for name, entry in value.items():
            shape(entry, _inside(where, name))

    return check


def record(
    needed: Mapping[str, Shape],
    also: Mapping[str, Shape] | None = None,
    *,
    others: Shape = anything,
) -> Shape:
    """An object with these names. also: optional names. others: the shape under other names."""
    also = also or {}

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, where, "an object")
        missing = [name for name in needed if name not in value]
        if missing:
            raise ValueError(f"{where or 'it'} has no {', '.join(missing)}")
        for name, entry in value.items():
            shape = needed.get(name) or also.get(name) or others
            shape(entry, _inside(where, name))

    return check


def maybe(shape: Shape) -> Shape:
    """This shape, or null."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            shape(value, where)

    return check


def fits(value: Any, shape: Shape) -> bool:
    try:
        shape(value, "")
    except ValueError:
        return False
    return True


def _inside(where: str, name: str) -> str:
    plain = f"{where}.{name}" if where else name
    return plain if re.fullmatch(r"\w{1,40}", name) else f"{where}[{shown(name)}]"


def _wrong(value: Any, where: str, needed: str) -> ValueError:
    return ValueError(f"{where or 'it'} is {shown(value)}; it must be {needed}")


def shown(value: Any) -> str:
    """A value of any length and content, shortened for a message."""
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        return f"{kind} of {len(value):,}"
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        return "a number of too many digits"
    words = repr(value[: SHOWN + 1]) if isinstance(value, str) else repr(value)
    return printable(words if len(words) <= SHOWN else f"{words[:SHOWN]}...", keep="")
