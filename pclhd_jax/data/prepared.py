"""Reads a set that `data_prep.prepare` wrote: lists from a JSON file, pictures from ArrayRecord."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.data.lists import Pictures

FORMAT = 1  # of metadata.json
INDEX, TFDS_INFO = "metadata.json", "dataset_info.json"


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
        records: dict[str, Any],
    ):
        self.layout, self.pictures = layout, pictures
        self._places, self._records = places, records

    def read(self, split: str, index: int) -> bytes:
        """The picture file of row `index` of `pictures[split]`: JPEG or PNG.

        Raises IndexError outside 0 <= index < N.
        """
        record, rows_N = self._places[split]
        if not 0 <= index < rows_N.size:
            raise IndexError(f"{split} has {rows_N.size:,} pictures, there is no index {index}")
        return self._records[record][int(rows_N[index])]["image"]


def is_prepared(path: str | os.PathLike) -> bool:
    """Whether `path` is a folder that `data_prep.prepare` wrote (an original layout is not).

    Preparation writes elsewhere and renames at the end: a folder that is there is complete.
    """
    if not all((Path(path) / name).is_file() for name in (INDEX, TFDS_INFO)):
        return False
    try:
        return "trials" in json.loads((Path(path) / INDEX).read_text(encoding="utf-8"))
    except ValueError:
        return False


def open_prepared(path: str | os.PathLike, *, trial: int | None = None) -> PreparedSet:
    """Opens a prepared set; pictures are read when asked for.

    trial: of RegDB, 1 to 10, and required there; the other layouts have one split and take no
    notice of it.
    Raises FileNotFoundError (no prepared set), ValueError (another format, no such trial, damaged).
    """
    root = Path(path)
    if not is_prepared(root):
        raise FileNotFoundError(
            f"no prepared set at {root}; make one with "
            "python -m data_prep.prepare LAYOUT --source DIR --data_dir DIR"
        )
    index = json.loads((root / INDEX).read_text(encoding="utf-8"))
    if index.get("format") != FORMAT:
        raise ValueError(
            f"{root} has format {index.get('format')}, this program reads {FORMAT}; remove the "
            "folder and prepare the set again"
        )
    lists = _lists(root, index, trial)
    records = _open_records(root, index["records"])
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


def _open_records(root: Path, paths: dict[str, list[str]]) -> dict[str, Any]:
    """Random access to the examples of each record split, images as file bytes."""
    import tensorflow_datasets as tfds  # a second to import, and no need of it for raw folders

    builder = tfds.builder_from_directory(root)
    bytes_only = {"image": tfds.decode.SkipDecoding()}
    records = {name: builder.as_data_source(name, decoders=bytes_only) for name in paths}
    for name, listed in paths.items():
        if len(records[name]) != len(listed):
            raise ValueError(
                f"{root} is damaged: {len(listed):,} pictures of {name} are listed, "
                f"{len(records[name]):,} stored; remove the folder and prepare the set again"
            )
    return records
