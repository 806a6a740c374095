"""Counts the files in a set's folders that none of its lists names, by kind."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.walk import look_below, tell_left_out

from .sources import Source

# Common names of pictures that are not read. What a .jfif or .jpe holds is a JPEG as a rule.
CONVERT = {".webp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".pgm"}
RENAME = {".jfif", ".jpe", ".jpg_large"}


def passed_over(
    layout: str, root: str | os.PathLike, source: Source
) -> tuple[list[str], list[str]]:
    """Notes about files that are left out, and problems: folders that cannot be read.

    It looks into the folders of the layout and those that the lists name; others do not matter.
    """
    listed = {path for pictures in source.records.values() for path in pictures.paths}
    folders = {path.partition("/")[0] for path in listed if "/" in path}
    left_out: Counter[str] = Counter()
    problems = []
    for folder in sorted(folders | set(layout_named(layout).modality_folders)):
        if not (Path(root) / folder).is_dir():
            continue
        try:
            below = look_below(root, folder)
        except (OSError, ValueError) as error:
            problems.append(f"cannot read the folder {folder}: {error}")
            continue
        left_out += below.left_out
        for path in below.pictures:
            if path not in listed:
                left_out[f"{PurePosixPath(path).suffix.lower()} that no list names"] += 1
    return [f"left out: {tell_left_out(left_out)}{_remedy(left_out)}"] * bool(left_out), problems


def _remedy(left_out: Counter[str]) -> str:
    remedies = []
    if left_out.keys() & CONVERT:
        remedies.append("convert pictures to JPEG or PNG")
    if left_out.keys() & RENAME:
        remedies.append("rename a JPEG to .jpg")
    return "; to have them read, " + " and ".join(remedies) if remedies else ""
