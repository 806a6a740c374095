"""Reads NumPy arrays as this program writes them: plain numbers, uncompressed, no objects.

The header of an array is matched against a pattern and not evaluated, so it can only name a type,
an order and a shape. An array takes no more memory than its file has bytes.
"""

import math
import os
import re
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pclhd_jax.system.json_shapes import shown
from pclhd_jax.system.plain_files import FILE, NotPlainError, kind_of

MAGIC = b"\x93NUMPY"
MOST_ARRAYS, MOST_HEADER, MOST_RANK = 64, 4096, 8
HEADER = re.compile(
    r"\{'descr': '(\|b1|[<>=|][iuf][1248])', 'fortran_order': (True|False), "
    r"'shape': \(((?:[0-9]{1,18}, ?)*(?:[0-9]{1,18})?)\), \}\s*"
)


class ArrayHeader(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    order: str  # C or F
    start: int  # bytes before the numbers

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file that `numpy.savez` wrote, by name.

    Raises:
      OSError: as the system says.
      ValueError: it is cut short, compressed, encrypted, has objects, ...; the text says what.
    """
    check_plain(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, os.path.getsize(path))
            return {entry.filename[:-4]: _read_entry(archive, entry) for entry in entries}
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # zipfile, zlib and struct raise errors that share no class
        raise ValueError(f"{error}" or type(error).__name__) from error


def map_npy(path: str | Path) -> np.ndarray:
    """The array of a file that `numpy.save` wrote, mapped read-only; an empty one is read.

    Raises as `read_npz`.
    """
    check_plain(path)
    with open(path, "rb") as file:
        header = read_header(file)
        size = os.fstat(file.fileno()).st_size
    if size != header.start + header.nbytes:
        raise ValueError(
            f"it has {size:,} bytes; its header, of shape {header.shape}, asks for "
            f"{header.start + header.nbytes:,}"
        )
    if not header.nbytes:
        return np.empty(header.shape, header.dtype)
    return np.memmap(path, header.dtype, "r", header.start, header.shape, header.order)


def check_plain(path: str | Path) -> None:
    """Raises ValueError for a folder, a pipe or a device."""
    kind = kind_of(path)
    if kind != FILE and os.path.exists(path):
        raise NotPlainError(path, kind)


def read_header(file: IO[bytes]) -> ArrayHeader:
    """The header at the current position. Raises ValueError unless `numpy.save` writes such a
    header for plain numbers."""
    start = file.read(len(MAGIC) + 2)
    if start[: len(MAGIC)] != MAGIC or len(start) < len(MAGIC) + 2:
        raise ValueError("it does not begin as a NumPy array does")
    size_bytes = 2 if start[-2] == 1 else 4
    length = int.from_bytes(file.read(size_bytes), "little")
    if length > MOST_HEADER:
        raise ValueError(f"its header has {length:,} bytes, the limit is {MOST_HEADER:,}")
    text = file.read(length).decode("latin-1")
    match = HEADER.fullmatch(text)
    if match is None:
        raise ValueError(f"the header {shown(text)} does not belong to an array of plain numbers")
    shape = tuple(int(n) for n in match[3].replace(",", " ").split())
    if len(shape) > MOST_RANK:
        raise ValueError(f"the array has {len(shape)} axes, the limit is {MOST_RANK}")
    try:
        dtype = np.dtype(match[1])
    except TypeError as error:  # a float of one byte
        raise ValueError(f"{error}") from error
    order = "F" if match[2] == "True" else "C"
    start_of_numbers = len(start) + size_bytes + length
    return ArrayHeader(dtype, shape, order, start_of_numbers)


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names) or len(names) > MOST_ARRAYS:
        raise ValueError(f"it has {len(names):,} arrays, but {len(set(names)):,} names")
    for entry in entries:
        if not entry.filename.endswith(".npy"):
            raise ValueError(f"{shown(entry.filename)} in it is not an array")
        if entry.flag_bits & 1:
            raise ValueError(f"{shown(entry.filename)} in it is encrypted")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{shown(entry.filename)} in it is compressed")
    total = sum(entry.file_size for entry in entries)
    if total > size:
        raise ValueError(f"its arrays take {total:,} bytes, the file has {size:,}")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as file:
        header = read_header(file)
        if header.start + header.nbytes != entry.file_size:
            raise ValueError(
                f"{shown(entry.filename)} has the shape {header.shape}, but another number of bytes"
            )
        array = np.empty(math.prod(header.shape), header.dtype)
        view = memoryview(array.view(np.uint8)) if array.nbytes else memoryview(b"")
        done = 0
        while done < array.nbytes:
            count = file.readinto(view[done:])
            if not count:
                raise ValueError(f"{shown(entry.filename)} is cut short")
            done += count
        file.read(1)  # at the end, zipfile compares the checksum
    return array.reshape(header.shape, order=header.order)
