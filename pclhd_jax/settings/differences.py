"""How the settings of two runs differ, and in what they may."""

import json
from collections.abc import Sequence
from typing import Any

from pclhd_jax.system.text import printable

LONGEST = 300  # characters of a value
# Where things lie: free to differ between machines. `workdir.check_pictures` minds what they hold.
PLACES = ("data.source", "data.prepared", "data.cache")
# What a resumed run may change.
FREE_ON_RESUME = (
    *PLACES,
    "keep_checkpoints",
    "keep_features",
    "checkpoint_every_steps",
    "writers",
    "send_pictures",
)
# In what runs of one experiment may differ.
FREE_BETWEEN_RUNS = (*FREE_ON_RESUME, "seed", "trial", "feature_batch_size")


def differences(old: dict[str, Any], new: dict[str, Any], *, but: Sequence[str] = ()) -> list[str]:
    """One line per setting that differs, named by its path from the root. but: paths left out."""
    return [
        f"config.{printable(name[:200], keep='')}: there {in_short(before)}, here {in_short(now)}"
        for name, before, now in differing(old, new)
        if name not in but
    ]


def in_short(value: Any) -> str:
    """A setting's value, shortened: the config.json of a stranger may hold anything."""
    words = repr(value)  # which shows control characters as escapes
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."


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
