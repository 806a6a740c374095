"""How the settings of two runs differ, and in what they may."""

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from pclhd_jax.settings.limits import FREE, in_short
from pclhd_jax.settings.sections import Settings
from pclhd_jax.system.text import printable


def free_settings(where: str, kind: type = Settings, prefix: str = "") -> tuple[str, ...]:
    """Paths of the settings that may differ there, a word of `limits.FREE`."""
    hints, found = get_type_hints(kind), []
    for spec in fields(kind):
        name = prefix + spec.name
        if is_dataclass(hints[spec.name]):
            found += free_settings(where, hints[spec.name], f"{name}.")
        elif spec.metadata.get("free", len(FREE)) <= FREE.index(where):
            found.append(name)
    return tuple(found)


# Where things lie. `workdir.check_pictures` minds what they hold.
PLACES = free_settings("between machines")
FREE_ON_RESUME = free_settings("on resume")
FREE_BETWEEN_RUNS = free_settings("between runs")  # of one experiment


def differences(old: dict[str, Any], new: dict[str, Any], *, but: Sequence[str] = ()) -> list[str]:
    """One line per setting that differs, named by its path from the root. but: paths left out."""
    return [
        f"config.{printable(name[:200], keep='')}: there {in_short(before)}, here {in_short(now)}"
        for name, before, now in differing(old, new)
        if name not in but
    ]


def differing(
    old: dict[str, Any], new: dict[str, Any], prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    """(path, old value, new value) of every leaf that differs."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        name = prefix + key
        before, now = old.get(key, "(absent)"), new.get(key, "(absent)")
        if isinstance(before, dict) and isinstance(now, dict):
            found += differing(before, now, f"{name}.")
        elif as_written(before) != as_written(now):
            found.append((name, before, now))
    return found


def as_written(value: Any) -> str:
    """In JSON, where tuples are lists; 0 and 0.0 are one number, of which True is none."""
    return json.dumps(json.loads(json.dumps(value), parse_int=float))
