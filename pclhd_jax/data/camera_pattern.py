"""Cameras of your own pictures, read from their paths by a regular expression with one group."""

import json
import re
import subprocess
import sys

from pclhd_jax.data.lists import UNKNOWN

MAX_PATTERN = 1000  # characters
# A search takes about a microsecond per path. Some expressions, like (a+)+$, take years for one
# name. Python has no time limit for a search, so another process does it, which can be ended.
SECONDS, PATHS_PER_SECOND = 10.0, 10_000
SEARCH = """
import json, re, sys
pattern, paths = json.load(sys.stdin)
search = re.compile(pattern).search
json.dump([(match[1] or "") if (match := search(path)) else "" for path in paths], sys.stdout)
"""


def cameras_by_path(paths: list[str], pattern: str) -> dict[str, int]:
    """The camera of each path: the distinct texts of the group, sorted, are 0, 1, ...

    With an empty pattern no camera is known (-1). Raises ValueError for a pattern that is wrong,
    misses a path or takes too long.
    """
    if not pattern:
        return dict.fromkeys(paths, UNKNOWN)
    _check(pattern)
    texts = dict(zip(paths, _found(pattern, paths), strict=True))
    missed = [path for path in paths if not texts[path]]
    if missed:
        raise ValueError(
            f"camera_pattern {pattern!r} finds no camera in {len(missed):,} of {len(paths):,} "
            f"paths, the first is {missed[0]}; change it, or leave it empty for no cameras"
        )
    numbers = {text: number for number, text in enumerate(sorted(set(texts.values())))}
    return {path: numbers[text] for path, text in texts.items()}


def _check(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        raise ValueError(
            f"camera_pattern has {len(pattern):,} characters, the limit is {MAX_PATTERN:,}; "
            "shorten it"
        )
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(
            f"camera_pattern {pattern!r} is not a regular expression: {error}"
        ) from error
    if groups != 1:
        raise ValueError(
            f"camera_pattern {pattern!r} has {groups} groups; it must have one, the "
            r"camera, as in 'cam(\d+)/'"
        )


def _found(pattern: str, paths: list[str]) -> list[str]:
    """The group's text in each path, '' where there is none."""
    seconds = SECONDS + len(paths) / PATHS_PER_SECOND
    try:
        searched = subprocess.run(
            [sys.executable, "-I", "-S", "-c", SEARCH],
            input=json.dumps([pattern, paths]),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"camera_pattern {pattern!r} takes more than {seconds:,.0f} s for {len(paths):,} "
            "paths; write a simpler one, without a repetition within a repetition"
        ) from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().rpartition("\n")[2]
        raise ValueError(f"camera_pattern {pattern!r} cannot be used: {last}") from error
    return json.loads(searched.stdout)
