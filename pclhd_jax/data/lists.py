"""Lists of pictures, and the split files and folders they are read from."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
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
    Raises FileNotFoundError (folder or file), ValueError (no line).
    """
    check_root(root, dataset, content)
    path = Path(root) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{dataset}: split file {path} is missing; give the folder that holds {content}, or "
            f"restore {name} from the data set"
        )
    # Bytes that are not UTF-8 become a visible mark, so that the parser names their line.
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [(n, line.strip()) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
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
    # Of a name that no disk can hold, os.path says False where pathlib raises.
    missing = [path for path, _ in rows if not os.path.isfile(os.path.join(root, path))]
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


def is_picture_name(name: str) -> bool:
    # A leading dot: '._0001.jpg' is what macOS archives leave behind, not a picture.
    return name.lower().endswith(PICTURE_SUFFIXES) and name[0] != "."


def picture_names(folder: Path) -> list[str]:
    """Sorted picture files; empty when the folder is missing (not every camera saw everyone).

    Raises ValueError for a broken link: a picture that vanished is not passed over.
    """
    try:
        with os.scandir(folder) as entries:
            named = [entry for entry in entries if is_picture_name(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        check_link(folder)
        return []
    for entry in named:
        if entry.is_symlink():
            check_link(entry.path)
    return sorted(entry.name for entry in named if entry.is_file())


def pictures_below(root: str | os.PathLike, inside: str = ".") -> list[str]:
    """Sorted posix paths, relative to `root`, of all pictures below `root/inside`, at any depth.

    Links to folders are followed, no folder twice; names with a leading dot are passed over.
    Raises OSError for a folder that cannot be read, ValueError for a broken link.
    """
    paths: list[str] = []
    seen: set[str] = set()
    walk = os.walk(Path(root) / inside, onerror=_raise, followlinks=True)
    for folder, subfolders, names in walk:
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        here = Path(folder).relative_to(root)
        for name in names:
            if not name.startswith("."):  # a broken link may have been a folder of pictures
                check_link(os.path.join(folder, name))
            if is_picture_name(name) and os.path.isfile(os.path.join(folder, name)):
                paths.append((here / name).as_posix())
    return sorted(paths)


def _raise(error: OSError) -> None:
    """A folder that cannot be read is not passed over."""
    raise error


def check_link(path: str | os.PathLike) -> None:
    """Raises ValueError for a link to nothing; a path that is not there at all is none."""
    if os.path.islink(path) and not os.path.exists(path):
        raise ValueError(f"{path} is a broken link; remove it, or bring back what it points at")


def camera_folders(
    root: str | os.PathLike, ids: Sequence[int], folders: dict[int, str]
) -> list[tuple[str, int, int]]:
    """(path, identity, camera) of every `{folder}/{identity:04d}/*`; file names are sorted.

    folders: by camera number, in the order of the rows. Raises as `picture_names`.
    """
    for folder in folders.values():
        check_link(Path(root) / folder)
    return [
        (f"{folder}/{identity:04d}/{name}", identity, camera)
        for identity in ids
        for camera, folder in folders.items()
        for name in picture_names(Path(root) / folder / f"{identity:04d}")
    ]


def list_digest(pictures: Pictures) -> str:
    """A short digest of a list: its paths in order, wherever the folder lies."""
    return hashlib.sha256("\n".join(pictures.paths).encode()).hexdigest()[:16]
