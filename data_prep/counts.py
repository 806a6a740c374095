"""Counts identities and pictures per split, modality and camera, beside the published numbers."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.layout import Count, Key
from pclhd_jax.data.lists import Pictures, read_identities
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.system.plain_files import read_plain

from .sources import ONLY, Source

NOT_PUBLISHED = Count(None, None)


class Row(NamedTuple):
    """A line of the doctor's table; camera None: all cameras."""

    split: str
    modality: str
    camera: int | None
    found: Count
    expected: Count

    @property
    def differs(self) -> bool:
        pairs = zip(self.found, self.expected, strict=True)
        return any(expected not in (None, found) for found, expected in pairs)


def count_rows(layout: str, root: str | os.PathLike, source: Source) -> list[Row]:
    """The table of a set: published rows that have no picture are in it, with zeros.

    A synthetic set borrows a layout, not its numbers: nothing is expected of it.
    """
    found = _found(layout, root, source)
    expected = {} if is_synthetic(root) else layout_named(layout).expected
    keys = [*found, *(key for key in expected if key not in found)]
    return [
        Row(*key, found.get(key, Count(0, 0)), expected.get(key, NOT_PUBLISHED)) for key in keys
    ]


def is_synthetic(root: str | os.PathLike) -> bool:
    """Whether `data_prep.synthetic` drew the set, by the README.txt it leaves there."""
    try:
        return read_plain(Path(root) / "README.txt").startswith(b"Synthetic vis")
    except (OSError, ValueError):  # no such file, or not ours
        return False


def table(rows: list[Row], *, brief: bool = False) -> str:
    """The rows as text, a star at each that differs.

    brief: without cameras that have no published number, and of RegDB's trials the first.
    """
    head = f"{'split':<12} {'modality':<9} {'camera':>6} {'identities':>10} {'expected':>8} "
    lines = [f"{head}{'pictures':>9} {'expected':>9}"]
    for row in rows:
        if brief and not row.differs and (_unpublished_camera(row) or _later_trial(row)):
            continue
        camera = "all" if row.camera is None else "none" if row.camera < 0 else str(row.camera)
        lines.append(
            f"{row.split:<12} {row.modality:<9} {camera:>6} {_number(row.found.identities):>10} "
            f"{_number(row.expected.identities):>8} {_number(row.found.pictures):>9} "
            f"{_number(row.expected.pictures):>9}{'  *' if row.differs else ''}"
        )
    return "\n".join(lines)


def wrong_copy(layout: str, rows: list[Row]) -> str:
    """What is known about these numbers, if they are those of a wrong copy that circulates."""
    for key, (wrong, advice) in layout_named(layout).known_wrong.items():
        for row in rows:
            if (row.split, row.modality, row.camera) == key and (
                row.found.identities == wrong.identities or row.found.pictures == wrong.pictures
            ):
                return (
                    f"{row.found.identities:,} identities and {row.found.pictures:,} pictures in "
                    f"{row.split}, {row.modality}: this is {advice}"
                )
    return ""


def people_without_pictures(
    layout: str, root: str | os.PathLike, source: Source
) -> list[tuple[str, list[int]]]:
    """(split file and modality, identities it lists of whom there is no picture)."""
    absent = []
    for file, side in layout_named(layout).identity_lists.items():
        ids = read_identities(root, file, layout, "")
        for modality in MODALITIES:
            seen = set(source.trials[ONLY][f"{side}_{modality}"].identities_N.tolist())
            if lacking := [identity for identity in ids if identity not in seen]:
                absent.append((f"{file}, {modality}", lacking))
    return absent


def _unpublished_camera(row: Row) -> bool:
    return row.camera is not None and row.expected == NOT_PUBLISHED


def _later_trial(row: Row) -> bool:
    number = row.split.rpartition(" ")[2]
    return number.isdigit() and number != "1"


def _found(layout: str, root: str | os.PathLike, source: Source) -> dict[Key, Count]:
    row = layout_named(layout)
    if row.trials:
        return _found_in_trials(source)
    found: dict[Key, Count] = {}
    val_ids = read_identities(root, row.validation, row.title, "") if row.validation else []
    groups: dict[str, dict[str, Pictures]] = {}
    for split, pictures in source.trials[ONLY].items():
        name, _, modality = split.partition("_")
        if row.validation and name == "train":
            val_N = np.isin(pictures.identities_N, val_ids)
            groups.setdefault("train", {})[modality] = pictures.take(np.flatnonzero(~val_N))
            groups.setdefault("val", {})[modality] = pictures.take(np.flatnonzero(val_N))
            name = "train + val"
        groups.setdefault(name, {})[modality] = pictures
    for name, by_modality in groups.items():
        for modality, pictures in by_modality.items():
            found[name, modality, None] = _count(pictures)
            for camera in np.unique(pictures.cameras_N).tolist():
                rows = np.flatnonzero(pictures.cameras_N == camera)
                found[name, modality, camera] = _count(pictures.take(rows))
    return found


def _found_in_trials(source: Source) -> dict[Key, Count]:
    found = {("all", modality, None): _count(source.records[modality]) for modality in MODALITIES}
    for trial, lists in source.trials.items():
        for split, pictures in lists.items():
            name, _, modality = split.partition("_")
            found[f"{name} {trial}", modality, None] = _count(pictures)
    return found


def _count(pictures: Pictures) -> Count:
    known_N = pictures.identities_N[pictures.identities_N >= 0]
    return Count(np.unique(known_N).size, len(pictures.paths))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
