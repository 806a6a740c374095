"""Lists of pictures, and the split files and folders they are read from."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np

from pclhd_jax.system.plain_files import FILE, NOTHING, kind_of, text_lines

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
MAX_PATH = 8192  # characters; file systems take 4,096
MAX_IDENTITIES = 10_000  # folders have four digits
UNKNOWN = -1  # an identity or a camera that nobody wrote down
# Control characters, line separators, and what Python makes of bytes that are not UTF-8.
UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Pictures(NamedTuple):
    """A list of pictures on disk. Count them with `len(pictures.paths)`: `len(pictures)` is 4.

    root: folder; paths: N posix paths relative to it; identities_N: int32, -1 where unknown;
    cameras_N: int32, -1 where unknown.
    """

    root: str
    paths: tuple[str, ...]
    identities_N: np.ndarray
    cameras_N: np.ndarray

    def take(self, indices: np.ndarray) -> "Pictures":
        """The pictures at `indices` (int, any length, order kept)."""
        indices = np.asarray(indices, np.intp)
        paths = tuple(self.paths[i] for i in indices)
        return Pictures(self.root, paths, self.identities_N[indices], self.cameras_N[indices])


class TrainSet(NamedTuple):
    """Training pictures by modality. Identities are for reports only: training never reads them."""

    visible: Pictures
    infrared: Pictures


def make_pictures(root: str | os.PathLike, rows: Sequence[tuple[str, int, int]]) -> Pictures:
    """`Pictures` of (path, identity, camera) rows; at least one. Raises as `check_names`."""
    paths, identities, cameras = zip(*rows, strict=True)
    check_names(root, paths)
    return Pictures(
        os.fspath(root), paths, np.array(identities, np.int32), np.array(cameras, np.int32)
    )


def read_lines(
    root: str | os.PathLike, name: str, dataset: str, content: str
) -> list[tuple[int, str]]:
    """(line number, text) of every line of `root/name` that is not blank.

    dataset, content: for the messages: whose file it is, and what lies in its folder.
    Raises FileNotFoundError (folder or file), ValueError (no line, or no text: `text_lines`).
    """
    check_root(root, dataset, content)
    path = Path(root) / name
    if kind_of(path) == NOTHING:
        raise FileNotFoundError(
            f"{dataset}: split file {path} is missing; give the folder that holds {content}, or "
            f"restore {name} from the data set"
        )
    lines = list(text_lines(path))
    if not lines:
        raise ValueError(f"{dataset}: split file {path} is empty; restore it from the data set")
    return lines


def check_root(root: str | os.PathLike, dataset: str, content: str) -> None:
    """Raises FileNotFoundError unless `root` is a folder."""
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f"{dataset}: no folder at {root}; give the folder that holds {content}"
        )


def read_identities(root: str | os.PathLike, name: str, dataset: str, content: str) -> list[int]:
    """Sorted identities of a split file: one line of comma-separated integers.

    Raises as `read_lines`, and ValueError with the line of anything else, or for a repetition.
    """
    lines = read_lines(root, name, dataset, content)
    path = Path(root) / name
    if len(lines) > 1:
        raise ValueError(
            f"{path}, line {lines[1][0]}: a second line of text; the limit is one line of "
            "comma-separated identities: restore the file or join its lines with commas"
        )
    number, text = lines[0]
    if text.count(",") >= MAX_IDENTITIES:
        raise ValueError(
            f"{path}, line {number}: more than {MAX_IDENTITIES:,} identities, the limit; restore "
            "the file from the data set"
        )
    ids = []
    for token in (part.strip() for part in text.split(",")):
        # Folders have four digits; a longer number can only be a damaged file.
        if not (token.isascii() and token.isdigit() and len(token) <= 4):
            raise ValueError(
                f"{path}, line {number}: {token[:20]!r} is not an identity (0 to 9999); "
                "expected comma-separated integers: restore the file from the data set"
            )
        ids.append(int(token))
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise ValueError(f"{path}: identity {twice} is listed twice; list each identity once")
    return sorted(ids)


def read_labelled(
    root: str | os.PathLike, name: str, dataset: str, content: str
) -> list[tuple[str, int]]:
    """(path, label) of a list of `relative/path label` lines, in order; every picture is there.

    Raises as `read_lines`, ValueError with the line of anything else, and FileNotFoundError with
    the number of pictures that are listed but missing.
    """
    file = Path(root) / name
    rows = [parse_labelled(file, *line) for line in read_lines(root, name, dataset, content)]
    missing = []
    for path, _ in rows:
        kind = kind_of(os.path.join(root, path))
        if kind == NOTHING:
            missing.append(path)
        elif kind != FILE:
            raise ValueError(f"{file} lists {path}, which is {kind}; list regular files only")
    if missing:
        raise FileNotFoundError(
            f"{file} lists {len(rows):,} pictures, {len(missing):,} are not on disk, "
            f"the first is {missing[0][:200]}; unpack {content} below {root}"
        )
    return rows


def parse_labelled(file: Path, number: int, text: str) -> tuple[str, int]:
    """(path, label) of a line. Raises ValueError with its number."""
    path, _, label = text.replace("\t", " ").rpartition(" ")
    path = path.strip()
    if not (path and label.isascii() and label.isdigit() and len(label) <= 9):
        raise ValueError(
            f"{file}, line {number}: {text[:80]!r} is not 'relative/path.bmp label' with a "
            "label of 0 or more; restore the file from the data set"
        )
    check_path(path, f"{file}, line {number}")
    return path, int(label)


def check_path(path: str, where: str) -> None:
    """Raises ValueError unless `path` is relative, stays inside and is named like a picture.

    Links that lie inside may lead outside: who made the folder wanted them.
    """
    check_names(where, [path])
    check_length(path, where)
    # Windows rules split at both kinds of slash and know drives, so they cover posix paths too.
    parsed = PureWindowsPath(path)
    if parsed.drive or parsed.root or ".." in parsed.parts:
        raise ValueError(
            f"{where}: {path[:80]!r} lies outside the data folder; list paths "
            "relative to it, without '..'"
        )
    if not is_picture_name(parsed.name):
        raise ValueError(
            f"{where}: {path[:80]!r} is not a picture; list files that end in "
            + ", ".join(PICTURE_SUFFIXES)
        )


def check_length(path: str, where: str) -> None:
    """Raises ValueError for a path that is too long for any file system."""
    if len(path) > MAX_PATH:
        raise ValueError(
            f"{where}: a path of {len(path):,} characters, the limit is {MAX_PATH:,}; it begins "
            f"with {path[:80]!r}; restore the file"
        )


def check_names(where: str | os.PathLike, names: Iterable[str]) -> None:
    """Raises ValueError for names that cannot be printed, listed line by line or written as UTF-8.

    They would also steer the terminal of those who read a message.
    """
    bad = [name for name in names if UNSHOWABLE.search(name)]
    if bad:
        raise ValueError(
            f"{where}: {len(bad):,} names hold control characters or are not UTF-8, the first is "
            f"{bad[0][:200]!r}; rename them"
        )


def same_spelling(name: str) -> str:
    """Equal for names that some file systems confuse: other letter case, other accents.

    Unicode writes an accented letter in one character (NFC) or in two (NFD).
    """
    return unicodedata.normalize("NFC", name).casefold()


def is_picture_name(name: str) -> bool:
    # A leading dot: '._0001.jpg' is what macOS archives leave behind, not a picture.
    return name.lower().endswith(PICTURE_SUFFIXES) and name[0] != "."


def list_digest(pictures: Pictures) -> str:
    """A short digest of a list: its paths in order, wherever the folder lies."""
    return hashlib.sha256("\n".join(pictures.paths).encode()).hexdigest()[:16]
