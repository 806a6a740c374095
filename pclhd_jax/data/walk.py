"""Searches folders: lists the pictures, sorted, and counts the files that it leaves out."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pclhd_jax.data.lists import is_picture_name
from pclhd_jax.system.plain_files import BROKEN_LINK, FOLDER, NOTHING, kind_of
from pclhd_jax.system.text import printable

MAX_DEPTH = 200  # nobody sorts pictures into deeper folders
HIDDEN, NO_SUFFIX, NO_FILE = "hidden", "without extension", "pipes or devices"


class Below(NamedTuple):
    """pictures: sorted posix paths relative to the root. left_out: counts of other files, by kind:
    an extension ('.webp'), HIDDEN (the name begins with a dot), NO_SUFFIX or NO_FILE."""

    pictures: list[str]
    left_out: Counter[str]


def look_below(root: str | os.PathLike, inside: str = "") -> Below:
    """Looks at everything below `root/inside`, at any depth.

    Follows links to folders, visits no folder twice, and leaves out names with a leading dot.
    Raises OSError for a folder that cannot be read, ValueError for a broken link or too many
    folders within folders.
    """
    below = Below([], Counter())
    seen: set[str] = set()
    start = os.path.join(root, inside)
    # Folders still to visit: where, its name without links, posix path from the root, how deep.
    waiting = [(start, os.path.realpath(start), Path(inside).as_posix(), 0)]
    while waiting:
        folder, real, here, depth = waiting.pop()
        if real in seen:
            continue
        seen.add(real)
        if depth > MAX_DEPTH:
            raise ValueError(
                f"{start} has folders nested more than {MAX_DEPTH} deep, the first is {here[:80]}"
                "...; move the pictures up, or name another folder"
            )
        subfolders = []
        with os.scandir(folder) as entries:
            for entry in entries:
                path = entry.name if here == "." else f"{here}/{entry.name}"
                if _is_subfolder(entry):
                    is_link = entry.is_symlink()
                    true = os.path.realpath(entry.path) if is_link else f"{real}/{entry.name}"
                    subfolders.append((entry.path, true, path, depth + 1))
                else:
                    _sort_in(entry, path, below)
        waiting += sorted(subfolders, key=lambda found: found[2], reverse=True)
    below.pictures.sort()
    return below


def pictures_below(root: str | os.PathLike, inside: str = "") -> list[str]:
    """The pictures of `look_below`."""
    return look_below(root, inside).pictures


def _is_subfolder(entry: os.DirEntry) -> bool:
    return not entry.name.startswith(".") and entry.is_dir()


def _sort_in(entry: os.DirEntry, path: str, below: Below) -> None:
    if entry.name.startswith("."):  # left by an editor or macOS, even broken links
        below.left_out[HIDDEN] += 1
        return
    if entry.is_symlink():
        check_link(entry.path)  # a broken one may have been a folder of pictures
    if not entry.is_file():
        below.left_out[NO_FILE] += 1
    elif is_picture_name(entry.name):
        below.pictures.append(path)
    else:
        below.left_out[os.path.splitext(entry.name)[1].lower() or NO_SUFFIX] += 1


def tell_left_out(left_out: Counter[str], kinds: int = 10) -> str:
    """'3 .webp, 1 hidden': the most frequent kinds first."""
    told = [f"{count:,} {printable(kind[:40])}" for kind, count in _in_order(left_out)[:kinds]]
    if more := sum(count for _, count in _in_order(left_out)[kinds:]):
        told.append(f"{more:,} of other kinds")
    return ", ".join(told)


def _in_order(left_out: Counter[str]) -> list[tuple[str, int]]:
    return sorted(left_out.items(), key=lambda found: (-found[1], found[0]))


def picture_names(folder: Path) -> list[str]:
    """Sorted picture files; empty when the folder is missing (not every camera saw everyone).

    Raises ValueError for a broken link, and for a file in place of the folder: pictures that
    vanished must not be ignored.
    """
    try:
        with os.scandir(folder) as entries:
            named = [entry for entry in entries if is_picture_name(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        check_folder(folder)
        return []
    for entry in named:
        if entry.is_symlink():
            check_link(entry.path)
    return sorted(entry.name for entry in named if entry.is_file())


def check_link(path: str | os.PathLike) -> None:
    """Raises ValueError for a link to nothing; a missing path is not a link."""
    if os.path.islink(path) and kind_of(path) == BROKEN_LINK:
        raise ValueError(f"{path} is a broken link; remove it, or restore what it points to")


def check_folder(path: str | os.PathLike) -> None:
    """Raises ValueError if something else has the name of a folder."""
    check_link(path)
    if (kind := kind_of(path)) not in (NOTHING, FOLDER):
        raise ValueError(f"{path} is {kind}, not a folder; remove it, or restore the folder")


def camera_folders(
    root: str | os.PathLike, ids: Sequence[int], folders: dict[int, str]
) -> list[tuple[str, int, int]]:
    """(path, identity, camera) of every `{folder}/{identity:04d}/*`; file names are sorted.

    folders: by camera number, in the order of the rows. Raises as `picture_names`.
    """
    for folder in folders.values():
        check_folder(Path(root) / folder)
    return [
        (f"{folder}/{identity:04d}/{name}", identity, camera)
        for identity in ids
        for camera, folder in folders.items()
        for name in picture_names(Path(root) / folder / f"{identity:04d}")
    ]
