"""What lies in a data set's folder: every picture once, and the lists that training and test read.

Shared by the doctor and the TFDS builders, so that both see what `pclhd_jax.data` sees.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.lists import Pictures, make_pictures
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.pictures.old_index import folder_number
from pclhd_jax.data.pictures.source import open_raw

ONLY = 0  # the trial of a set that has no numbered splits


class Source(NamedTuple):
    """records: the pictures to store, each once, by record split; trials: the lists to read back,
    by trial (1..10 of RegDB, ONLY elsewhere) and split ('train_visible', 'test_infrared', ...)."""

    records: dict[str, Pictures]
    trials: dict[int, dict[str, Pictures]]


def read_source(
    layout: str, root: str | os.PathLike, *, trial: int = 1, camera_pattern: str = ""
) -> Source:
    """Reads the lists of a set in its original layout; opens no picture.

    Of a layout with numbered trials (RegDB): all whose lists are on disk, `trial` among them.
    camera_pattern: as in `folders_train`; other layouts have no use for it. Raises as
    `pclhd_jax.data.pictures.source.open_raw`.
    """
    numbered = layout_named(layout).trials
    if not numbered:
        lists = open_raw(layout, root, camera_pattern=camera_pattern).lists
        return Source(lists, {ONLY: lists})
    pattern = layout_named(layout).trial_lists
    on_disk = [n for n in numbered if any(Path(root).glob(pattern.format(n)))]
    trials = {
        n: open_raw(layout, root, trial=n, camera_pattern=camera_pattern).lists
        for n in sorted({*on_disk, trial})  # a trial that is not there raises the reader's error
    }
    return Source(_stored_once(root, trials), trials)


def record_of(split: str, records: dict) -> str:
    """The record split that holds a list: its own, or in RegDB its modality's."""
    return split if split in records else split.rpartition("_")[2]


def fingerprint(layout: str, root: str | os.PathLike, source: Source) -> str:
    """64 hex digits of names, sizes, identities, cameras and order: all but the pictures' bytes.

    A set is prepared again when this changes. Dates stay out: a copy of a set is the same set.
    """
    digest = hashlib.sha256(layout.encode())
    for name, pictures in source.records.items():
        digest.update(f"\n{name}".encode())
        for path in pictures.paths:
            digest.update(f"\n{path} {os.stat(Path(root) / path).st_size}".encode())
    for trial, lists in source.trials.items():
        for split, pictures in lists.items():
            digest.update(f"\n{trial} {split}\n".encode())
            digest.update("\n".join(pictures.paths).encode())
            digest.update(pictures.identities_N.astype("<i4").tobytes())
            digest.update(pictures.cameras_N.astype("<i4").tobytes())
    return digest.hexdigest()


def without(source: Source, left_out: set[str]) -> Source:
    """The source without some pictures, order kept. Raises ValueError for an empty list."""
    if not left_out:
        return source

    def keep(lists: dict[str, Pictures]) -> dict[str, Pictures]:
        kept = {}
        for split, pictures in lists.items():
            rows = [i for i, path in enumerate(pictures.paths) if path not in left_out]
            if not rows:
                raise ValueError(
                    f"none of the {len(pictures.paths):,} pictures of {split} can be read; copy "
                    f"them again from the data set, the first is {pictures.paths[0]}"
                )
            kept[split] = pictures.take(rows)
        return kept

    return Source(
        keep(source.records), {trial: keep(lists) for trial, lists in source.trials.items()}
    )


def _stored_once(
    root: str | os.PathLike, trials: dict[int, dict[str, Pictures]]
) -> dict[str, Pictures]:
    """By modality: the trials divide the same pictures, 8,240 in RegDB."""
    records = {}
    for modality in MODALITIES:
        lists = (
            pictures
            for splits in trials.values()
            for split, pictures in splits.items()
            if split.endswith(f"_{modality}")
        )
        cameras = {
            path: camera
            for pictures in lists
            for path, camera in zip(pictures.paths, pictures.cameras_N.tolist(), strict=True)
        }
        rows = [(path, folder_number(path), cameras[path]) for path in sorted(cameras)]
        records[modality] = make_pictures(root, rows)
    return records
