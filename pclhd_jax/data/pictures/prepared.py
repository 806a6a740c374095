"""Reads a set that `data_prep.prepare` wrote: lists from a JSON file, pictures from ArrayRecord."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.old_index import check_lists
from pclhd_jax.data.pictures.picture_files import UnreadablePictureError
from pclhd_jax.data.pictures.prepared_index import DIGEST, INDEX, damaged, is_prepared, read_index
from pclhd_jax.data.pictures.record_files import PictureRecord

__all__ = ["PreparedSet", "is_prepared", "open_prepared"]


class _Rows(NamedTuple):
    """Where the pictures of a split lie: rows of a record split."""

    record: str
    rows_N: np.ndarray


class PreparedSet:
    """The lists and the pictures of a prepared set; `read` may be called from several threads.

    layout: 'sysu', 'regdb', 'llcm' or 'folders'.
    pictures: by split: 'train_visible', 'train_infrared' and, unless the set has no test,
      'test_visible', 'test_infrared'. Paths, identities, cameras and their order are those of the
      original layout; root is the prepared folder, so the paths are names, not files.
    """

    def __init__(
        self,
        layout: str,
        pictures: dict[str, Pictures],
        places: dict[str, _Rows],
        records: dict[str, PictureRecord],
    ):
        self.layout, self.pictures = layout, pictures
        self._places, self._records = places, records

    def read(self, split: str, index: int) -> bytes:
        """The picture file of row `index` of `pictures[split]`: JPEG or PNG.

        Raises IndexError outside 0 <= index < N, and ValueError for one that is damaged or of whom
        the record says another identity or camera than the list.
        """
        record, rows_N = self._places[split]
        if not 0 <= index < rows_N.size:
            raise IndexError(f"{split} has {rows_N.size:,} pictures, there is no index {index}")
        stored = self._records[record].read(int(rows_N[index]))
        listed = self.pictures[split]
        for what, found, expected_N in (
            ("identity", stored.identity, listed.identities_N),
            ("camera", stored.camera, listed.cameras_N),
        ):
            # RegDB's records are of no list: their identity is the folder's number.
            compared = record == split or what == "camera"
            if compared and found != expected_N[index]:
                name = f"{split}, {listed.paths[index]}"
                raise UnreadablePictureError(
                    damaged(
                        Path(listed.root),
                        f"{name} has {what} {found} in its record, {expected_N[index]} in {INDEX}",
                    )
                )
        return stored.file


def open_prepared(path: str | os.PathLike, *, trial: int | None = None) -> PreparedSet:
    """Opens a prepared set; pictures are read when asked for.

    trial: of RegDB, 1 to 10, and required there; the other layouts have one split and take no
    notice of it.
    Raises FileNotFoundError (no prepared set), ValueError (another format, no such trial, damaged).
    """
    root = Path(path)
    index = read_index(root)
    lists = _lists(root, index, trial)
    if DIGEST not in index:
        check_lists(root, index["records"], lists)
    records = {name: PictureRecord(root, name, paths) for name, paths in index["records"].items()}
    pictures, places = {}, {}
    for split, entry in lists.items():
        paths = index["records"][entry["record"]]
        rows_N = np.array(entry["rows"], np.int64)
        pictures[split] = Pictures(
            os.fspath(path),
            tuple(paths[row] for row in rows_N),
            np.array(entry["identities"], np.int32),
            np.array(entry["cameras"], np.int32),
        )
        places[split] = _Rows(entry["record"], rows_N)
    return PreparedSet(index["layout"], pictures, places, records)


def _lists(root: Path, index: dict, trial: int | None) -> dict[str, dict]:
    trials = index["trials"]
    if list(trials) == ["0"]:
        return trials["0"]
    if str(trial) not in trials:
        raise ValueError(
            f"the prepared {index['layout']} at {root} has the trials {', '.join(trials)}, asked "
            f"for {trial}; name one of them, or prepare again with the lists of the others"
        )
    return trials[str(trial)]
