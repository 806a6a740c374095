"""Lists and folders that contradict the layout's names: vis/ listed as infrared, a camera twice."""

import os
from pathlib import Path

from pclhd_jax.data.datasets import layout_named

from .sources import Source

RESTORE = "restore the split files and folders from the data set"


def find_misplaced(layout: str, root: str | os.PathLike, source: Source) -> list[str]:
    """A line for each modality that has pictures in a folder of the other, and for each folder that
    has two names."""
    folders = layout_named(layout).modality_folders
    problems = []
    listed = _by_modality(source)
    twice = listed["visible"] & listed["infrared"]  # `overlaps` tells of these
    for name, pictures in listed.items():
        wrong = sorted(
            path for path in pictures - twice if folders.get(path.partition("/")[0], name) != name
        )
        if wrong:
            problems.append(
                f"{len(wrong):,} pictures that are listed as {name} lie in a folder of the other "
                f"modality, the first is {wrong[0]}; {RESTORE}"
            )
    by_place: dict[str, list[str]] = {}
    for folder in folders:
        if (Path(root) / folder).is_dir():
            by_place.setdefault(os.path.realpath(Path(root) / folder), []).append(folder)
    problems += [
        f"{' and '.join(names)} are one folder, by a link; {RESTORE}"
        for names in by_place.values()
        if len(names) > 1
    ]
    return problems


def _by_modality(source: Source) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"visible": set(), "infrared": set()}
    for record, pictures in source.records.items():
        found[record.rpartition("_")[2]].update(pictures.paths)
    return found
