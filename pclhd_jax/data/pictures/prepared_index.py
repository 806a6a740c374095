"""metadata.json of a prepared set: checked entry by entry, for the folder may be a stranger's."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from pclhd_jax.data.lists import check_names, check_path
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.plain_files import is_there

FORMAT = 1
DIGEST = "digest"  # the entry with the checksum of the others
MAX_BYTES = 100 * 2**20  # of the index: more than a million pictures
INDEX, TFDS_INFO = "metadata.json", "dataset_info.json"
REMEDY = "remove the folder, and prepare the set or copy it again"
SPLITS = ("train_visible", "train_infrared", "test_visible", "test_infrared")
INT32 = np.iinfo(np.int32)


def is_prepared(path: str | os.PathLike) -> bool:
    """Whether `path` is a folder that `data_prep.prepare` wrote (an original layout is not).

    Preparation writes elsewhere and renames at the end: a folder that is there is complete.
    """
    try:
        if not all(is_there(Path(path) / name) for name in (INDEX, TFDS_INFO)):
            return False
        index = _load(Path(path))
    except ValueError:
        return False
    return isinstance(index, dict) and "trials" in index


def read_index(path: str | os.PathLike) -> dict[str, Any]:
    """What metadata.json says: format, layout, records, trials, problems, left_out, changed_ns.

    Sets that were prepared before there was a checksum have none: `PreparedSet` compares their
    lists with the records.

    Names of records become parts of file names, rows are looked up, paths are names alone and open
    nothing. Raises FileNotFoundError (no prepared set), ValueError (another format, or damaged).
    """
    root = Path(path)
    if not is_prepared(root):
        raise FileNotFoundError(
            f"no prepared set at {root}; make one with "
            "python -m pclhd_jax prepare LAYOUT --source DIR --data_dir DIR"
        )
    index = _load(root)
    if index.get("format") != FORMAT:
        raise ValueError(
            f"{root} has format {short(index.get('format'))}, this program reads {FORMAT}; remove "
            "the folder and prepare the set again"
        )
    try:
        _check(index)
        _expect(
            index.get(DIGEST, digest := digest_of(index)) == digest,
            "an entry has changed (its checksum does not match)",
        )
    except ValueError as error:
        raise ValueError(damaged(root, f"{INDEX}: {short(error)}")) from error
    except (TypeError, KeyError, AttributeError) as error:  # another shape than ours altogether
        what = f"{INDEX}: {type(error).__name__} {short(error)}"
        raise ValueError(damaged(root, what)) from error
    # Facts of the preparation: a set that TFDS alone built has none.
    return {"problems": [], "left_out": [], "changed_ns": 0} | index


def sealed(index: dict[str, Any]) -> dict[str, Any]:
    """The index with a checksum of all its entries."""
    return index | {DIGEST: digest_of(index)}


def digest_of(index: dict[str, Any]) -> str:
    """64 hex digits of all entries but the checksum itself."""
    entries = {key: value for key, value in index.items() if key != DIGEST}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def damaged(root: str | os.PathLike, what: str) -> str:
    """The message about a prepared set that is not as it was written."""
    return f"{root} is damaged: {what}; {REMEDY}"


def short(value: Any) -> str:
    """A value of unknown length and content, for a message."""
    return repr(str(value))[1:-1][:200]


def check_not_damaged(path: str | os.PathLike) -> None:
    """Raises ValueError for a prepared set whose index is lost: it is no original layout."""
    root = Path(path)
    if any(root.glob("*.array_record-*")) and not is_prepared(root):
        raise ValueError(
            damaged(root, f"it has ArrayRecord files, and no readable {INDEX} and {TFDS_INFO}")
        )


def _load(root: Path) -> Any:
    return read_json(root / INDEX, most_bytes=MAX_BYTES, remedy=REMEDY)


def _check(index: dict[str, Any]) -> None:
    records, trials = index["records"], index["trials"]
    _expect(re.fullmatch("[a-z]{1,20}", index["layout"]), "the layout is no name")
    _expect(records and trials, "it lists nothing")
    for name, paths in records.items():
        _expect(re.fullmatch("[a-z_]{1,20}", name), f"record {name!r} is no name")
        _expect(isinstance(paths, list) and paths, f"record {name} lists nothing")
        for path in paths:
            check_path(path, f"record {name}")
    for trial, lists in trials.items():
        _expect(re.fullmatch("[0-9]{1,2}", trial), f"trial {trial!r} is no number")
        _expect(set(lists) in (set(SPLITS[:2]), set(SPLITS)), f"trial {trial} has other splits")
        for split, entry in lists.items():
            _check_list(f"trial {trial}, {split}", entry, len(records[entry["record"]]))
    problems = index.get("problems", [])
    _expect(isinstance(problems, list), "problems are no list")
    check_names("the problems", problems)
    _expect(isinstance(index.get("changed_ns", 0), int), "changed_ns is no number")


def _check_list(where: str, entry: dict[str, Any], stored: int) -> None:
    rows = _integers(where, entry["rows"], 0, stored - 1)
    for key in ("identities", "cameras"):
        count = _integers(where, entry[key], INT32.min, INT32.max)
        _expect(count == rows, f"{where} has {rows:,} rows and {count:,} {key}")


def _integers(where: str, values: Any, low: int, high: int) -> int:
    """How many whole numbers these are."""
    array = np.array(values)
    _expect(array.ndim == 1 and array.dtype.kind == "i", f"{where} has no list of whole numbers")
    _expect(low <= array.min() and array.max() <= high, f"{where} is not within {low} to {high}")
    return array.size


def _expect(condition: Any, message: str) -> None:
    if not condition:
        raise ValueError(message)
