"""The picture set a run reads: lists by split, and the bytes behind them, raw or prepared."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.picture_files import read_picture_file
from pclhd_jax.data.pictures.prepared import open_prepared
from pclhd_jax.data.pictures.prepared_index import check_not_damaged
from pclhd_jax.data.pictures.stamps import Stamp, file_stamp


class PictureSource(NamedTuple):
    """lists: 'train_visible', 'train_infrared' and, unless the set has no test, 'test_visible' and
    'test_infrared'; read(split, i): the file of a picture; stamp: of the files behind them."""

    lists: dict[str, Pictures]
    read: Callable[[str, int], bytes]
    stamp: Stamp


def open_raw(
    layout: str, root: str | os.PathLike, *, trial: int = 1, camera_pattern: str = ""
) -> PictureSource:
    """A set as its authors hand it out. trial: RegDB's; camera_pattern: of `folders_train`.

    Raises ValueError for an unknown layout or a damaged prepared set, and as the layout's readers.
    """
    row = layout_named(layout)
    if camera_pattern and not row.takes_camera_pattern:
        raise ValueError(
            f"camera_pattern is {camera_pattern!r}, but {layout} names its cameras itself; leave "
            "the pattern empty"
        )
    check_not_damaged(root)
    train, test = row.read(os.fspath(root), trial, camera_pattern)
    lists = {"train_visible": train.visible, "train_infrared": train.infrared}
    if test is not None:
        lists |= {"test_visible": test[0], "test_infrared": test[1]}

    def read(split: str, index: int) -> bytes:
        return read_picture_file(Path(root) / lists[split].paths[index])

    paths = [path for pictures in lists.values() for path in pictures.paths]
    return PictureSource(lists, read, file_stamp(root, paths))


def open_records(layout: str, folder: str | os.PathLike, *, trial: int = 1) -> PictureSource:
    """A set that `data_prep.prepare` wrote.

    Raises ValueError when it is of another layout, and as `open_prepared`.
    """
    layout_named(layout)
    prepared = open_prepared(folder, trial=trial)
    if prepared.layout != layout:
        raise ValueError(
            f"{folder} holds a prepared set of layout {prepared.layout}, config.data.layout is "
            f"{layout}; change one of them"
        )
    files = sorted(path.name for path in Path(folder).iterdir() if path.is_file())
    return PictureSource(prepared.pictures, prepared.read, file_stamp(folder, files))
