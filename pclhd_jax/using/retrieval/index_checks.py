"""What the files of an index must hold; those of a stranger may hold anything."""

import re
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from pclhd_jax.data.lists import UNKNOWN, Pictures, check_names
from pclhd_jax.system.csv_files import read_csv
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import list_of, record, shown, text, whole
from pclhd_jax.system.text import csv_text
from pclhd_jax.using.encoder import SIZES

FORMAT = 1
COLUMNS = ("name", "modality")
REMEDY = "embed the pictures again"
ROWS_AT_A_TIME, UNIT = 4096, 1e-3
MOST_HEADER_BYTES = 256_000_000  # it names the pictures that were left out
DIGEST = text(pattern="[0-9a-f]{32}")
PATH = text(pattern=r"[^\0]+")
SET = record(
    {
        "root": PATH,
        "set": text(pattern="(train|test)_(visible|infrared)"),
        "layout": text(most=20),
        "trial": whole(0, 100),
    }
)


def source_shape(value: Any, where: str) -> None:
    """A folder of pictures, or a set whose lists are read again."""
    is_set = isinstance(value, dict) and "set" in value
    (SET if is_set else record({"root": PATH}))(value, where)


HEADER = record(
    {
        "format": whole(),
        "modality": text(pattern="visible|infrared"),
        "encoder": text(most=200),
        "checkpoint": text(),
        "height": whole(SIZES[0], SIZES[-1]),
        "width": whole(SIZES[0], SIZES[-1]),
        "source": source_shape,
        "digests": record({".npy": DIGEST, ".csv": DIGEST}),
        "pictures": whole(0),
    },
    {"skipped": list_of(text())},
)


def checked_features(features_ND: np.ndarray, header: dict[str, Any]) -> np.ndarray:
    """Raises ValueError unless they are unit rows, one for each picture of the header."""
    if features_ND.ndim != 2 or features_ND.dtype != np.float32:
        raise ValueError(
            f"the array is {features_ND.dtype} of shape {features_ND.shape}, not rows of float32"
        )
    if not features_ND.shape[1]:
        raise ValueError("its features have no numbers")
    if len(features_ND) != header["pictures"]:
        raise ValueError(f"it has {len(features_ND):,} rows for {header['pictures']:,} pictures")
    for start in range(0, len(features_ND), ROWS_AT_A_TIME):
        length_n = np.linalg.norm(features_ND[start : start + ROWS_AT_A_TIME], axis=1)
        bad_n = ~(np.abs(length_n - 1) < UNIT)  # NaN is not near 1 either
        if bad_n.any():
            row = int(np.argmax(bad_n))
            raise ValueError(
                f"row {start + row:,} has the length {length_n[row]:.3g}; features are of length 1"
            )
    return features_ND


def read_pictures(path: Path, header: dict[str, Any]) -> Pictures:
    """The list of NAME.csv. Raises ValueError, which names file and line."""
    paths, numbers = [], {"identity": [], "camera": []}
    for line, cells in read_csv(path, COLUMNS, tuple(numbers), strip=False):
        where = f"{path}, line {line}"
        paths.append(csv_text(cells["name"]))
        check_inside(paths[-1], where)
        if cells["modality"] != header["modality"]:
            raise ValueError(
                f"{where}: modality {shown(cells['modality'])}, the header has "
                f"{header['modality']}; {REMEDY}"
            )
        for column, values in numbers.items():
            values.append(number_in(cells.get(column, ""), f"{where}: {column}"))
    ids_N, cameras_N = (np.array(values, np.int32) for values in numbers.values())
    return Pictures(header["source"]["root"], tuple(paths), ids_N, cameras_N)


def check_inside(name: str, where: str) -> None:
    """Raises ValueError for a name that leads out of the folder of the pictures."""
    check_names(where, [name])
    path = PurePath(name)
    if not path.parts or path.is_absolute() or path.drive or ".." in path.parts:
        raise ValueError(f"{where}: {shown(name)} is not in the folder of the pictures")


def number_in(cell: str, where: str) -> int:
    """An identity or a camera; an empty cell means unknown."""
    if not cell:
        return UNKNOWN
    if not re.fullmatch("[0-9]{1,10}", cell) or int(cell) >= 2**31:
        raise ValueError(
            f"{where} is {shown(cell)}; it must be a whole number of 0 or more, or empty; {REMEDY}"
        )
    return int(cell)


def read_header(path: Path) -> dict[str, Any]:
    """What NAME.json says. Raises ValueError, which names file and field."""
    read = partial(read_json, path, most_bytes=MOST_HEADER_BYTES, remedy=REMEDY)
    found = read(record({"format": whole()}))["format"]
    if found != FORMAT:
        raise ValueError(f"{path} has format {found}, this program reads {FORMAT}; {REMEDY}")
    return read(HEADER)
