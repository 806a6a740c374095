"""Reads JSON files: of limited size, strict, of a known shape; errors name the place.

Strict means UTF-8 (a byte order mark is ignored), no name twice in an object, and no NaN unless
the kind of file allows it.
"""

import json
from pathlib import Path
from typing import Any

from pclhd_jax.system.json_shapes import Shape, anything, shown
from pclhd_jax.system.plain_files import TooLargeError, read_plain

MOST_DIGITS = 100
BACKUP = "bring it back from a backup, or name another --workdir"


def read_json(
    path: str | Path,
    shape: Shape = anything,
    *,
    most_bytes: int = 1_000_000,
    remedy: str = BACKUP,
) -> Any:
    """The content of a file.

    Raises:
      OSError: as the system says.
      ValueError: too large, not JSON, or of another shape; names the file and the field.
    """
    data = _bounded(path, most_bytes, remedy)
    try:
        return parsed(data, shape)
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); {remedy}") from error


def parsed(data: bytes, shape: Shape = anything, *, nan: bool = False) -> Any:
    """The value of a JSON text. Raises ValueError, which says where and what."""
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_without_doubles,
            parse_int=_whole_number,
            parse_constant=float if nan else _no_constant,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    shape(value, "")
    return value


def read_json_lines(
    path: str | Path,
    shape: Shape = anything,
    *,
    most_bytes: int = 256_000_000,
    remedy: str = BACKUP,
    nan: bool = False,
) -> list[Any]:
    """A value for every complete line. A last line without its end, left by a kill, is ignored.

    nan: whether NaN and Infinity count as numbers.

    Raises as `read_json`; it names the line.
    """
    rows = []
    for number, line in enumerate(_bounded(path, most_bytes, remedy).split(b"\n")[:-1], 1):
        try:
            rows.append(parsed(line, shape, nan=nan))
        except ValueError as error:
            raise ValueError(f"{path}, line {number} is damaged ({error}); {remedy}") from error
    return rows


def _bounded(path: str | Path, most_bytes: int, remedy: str) -> bytes:
    try:
        return read_plain(path, most_bytes)
    except TooLargeError as error:
        raise ValueError(
            f"{path} is damaged ({error.size} bytes, such a file has at most {most_bytes:,}); "
            f"{remedy}"
        ) from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it names {shown(name)} twice")
        found[name] = value
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")
