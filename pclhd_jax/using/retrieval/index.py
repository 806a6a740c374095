"""An index: NAME.npy (unit rows), NAME.csv (whose they are), NAME.json (of which encoder)."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.data.lists import UNKNOWN, Pictures
from pclhd_jax.saving.integrity import file_digest
from pclhd_jax.system.array_files import map_npy
from pclhd_jax.system.csv_files import write_csv
from pclhd_jax.system.whole_files import whole_file
from pclhd_jax.using.encoder import Encoder
from pclhd_jax.using.retrieval.embedder import RESAMPLE
from pclhd_jax.using.retrieval.index_checks import (
    FORMAT,
    REMEDY,
    checked_features,
    read_header,
    read_pictures,
)

SUFFIXES = (".npy", ".csv", ".json", ".parquet")


class Index(NamedTuple):
    name: Path  # without a suffix
    features_ND: np.ndarray  # float32 unit rows; mapped from the file
    pictures: Pictures  # names relative to root; -1 where an identity or a camera is unknown
    header: dict[str, Any]  # what NAME.json says


def header_of(encoder: Encoder, modality: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "modality": modality,
        "encoder": encoder.digest,
        "checkpoint": encoder.origin,
        "height": encoder.height,
        "width": encoder.width,
        "filter": RESAMPLE,
        "source": source,
    }


def plain_name(name: str | os.PathLike) -> Path:
    """NAME of NAME or of one of its files."""
    path = Path(name)
    return path.with_suffix("") if path.suffix in SUFFIXES else path


def file_of(name: Path, suffix: str) -> Path:
    return name.with_name(name.name + suffix)  # a name may have dots


def check_free(name: Path) -> None:
    """Raises FileExistsError where one of the files of an index is there already."""
    for suffix in SUFFIXES:
        if file_of(name, suffix).exists():
            raise FileExistsError(
                f"{file_of(name, suffix)} is there already; name another, or remove it"
            )


def write_index(
    name: Path,
    features_ND: np.ndarray,
    pictures: Pictures,
    header: dict[str, Any],
    *,
    parquet: bool = False,
) -> Index:
    """Write the files, NAME.json last: where it is, the others are whole.

    Raises FileExistsError; ValueError for `parquet` without pyarrow.
    """
    check_free(name)
    name.parent.mkdir(parents=True, exist_ok=True)
    if parquet:
        write_parquet(file_of(name, ".parquet"), features_ND, pictures, header["modality"])
    with whole_file(file_of(name, ".npy"), private=True) as file:
        np.save(file, features_ND)
    columns = columns_of(pictures, header["modality"])
    with whole_file(file_of(name, ".csv"), "w", private=True) as file:
        write_csv(file, [tuple(columns), *zip(*columns.values(), strict=True)])
    digests = {suffix: file_digest(file_of(name, suffix)) for suffix in (".npy", ".csv")}
    header = header | {"pictures": len(features_ND), "digests": digests}
    with whole_file(file_of(name, ".json"), "w", private=True) as file:
        file.write(json.dumps(header, indent=2) + "\n")
    return Index(name, features_ND, pictures, header)


def columns_of(pictures: Pictures, modality: str) -> dict[str, list]:
    """By name; identities and cameras only where one is known."""
    columns: dict[str, list] = {"name": list(pictures.paths)}
    columns["modality"] = [modality] * len(pictures.paths)
    for column, values_N in (("identity", pictures.identities_N), ("camera", pictures.cameras_N)):
        if (values_N != UNKNOWN).any():
            columns[column] = [None if v == UNKNOWN else v for v in values_N.tolist()]
    return columns


def check_parquet() -> Any:
    """pyarrow. Raises ValueError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow; pip install pyarrow, or do without") from error
    return pyarrow


def write_parquet(path: Path, features_ND: np.ndarray, pictures: Pictures, modality: str) -> None:
    """The columns of NAME.csv, and the features as fixed-size lists."""
    arrow = check_parquet()
    values = arrow.array(np.ascontiguousarray(features_ND).reshape(-1))
    rows = arrow.FixedSizeListArray.from_arrays(values, features_ND.shape[1])
    table = arrow.table(columns_of(pictures, modality) | {"embedding": rows})
    with whole_file(path, private=True) as file:
        arrow.parquet.write_table(table, file)


def read_index(name: str | os.PathLike) -> Index:
    """What `write_index` wrote, checked.

    Raises:
      FileNotFoundError: a file of it is not there.
      ValueError: damaged, of another format, or without a picture.
    """
    name = plain_name(name)
    for suffix in (".json", ".npy", ".csv"):
        if not file_of(name, suffix).is_file():
            raise FileNotFoundError(
                f"no {file_of(name, suffix)}; an index is what python -m pclhd_jax embed writes: "
                "NAME.npy, NAME.csv and NAME.json"
            )
    header = read_header(file_of(name, ".json"))
    for suffix in (".npy", ".csv"):
        digest = header["digests"][suffix]
        if file_digest(file_of(name, suffix)) != digest:
            raise ValueError(
                f"{file_of(name, suffix)} is not what {name.name}.json was written with; {REMEDY}"
            )
    if not header["pictures"]:
        raise ValueError(f"{name} is an index of no picture; embed some")
    path = file_of(name, ".npy")
    try:
        features_ND = checked_features(map_npy(path), header)
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); {REMEDY}") from error
    pictures = read_pictures(file_of(name, ".csv"), header)
    if len(pictures.paths) != len(features_ND):
        raise ValueError(
            f"{name}.csv names {len(pictures.paths):,} pictures, {name.name}.npy has "
            f"{len(features_ND):,} rows; {REMEDY}"
        )
    return Index(name, features_ND, pictures, header)
