"""Decoded pictures on disk, memory-mapped: decoding and resizing happen once, not once a run."""

import hashlib
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import features

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.cache_file import Header, UnfitFileError, build_pixels, open_pixels
from pclhd_jax.data.pictures.compared import compared_until_ns, note_compared
from pclhd_jax.data.pictures.decode import PictureForm, Read, Report, load_pictures
from pclhd_jax.data.pictures.stamps import Stamp

FORMAT = 2
SUFFIX, COMPARED = ".pictures", ".compared"


class Originals(NamedTuple):
    """The files behind pictures: what reads them, as for `load_pictures`, and their stamp."""

    read: Read
    stamp: Stamp


def cached_pictures(
    pictures: Pictures,
    originals: Originals,
    form: PictureForm,
    prefix: Path | None,
    *,
    report: Report | None = None,
    tell: Callable[[str], None] = print,
) -> np.ndarray:
    """What `load_pictures` returns, memory-mapped read-only from a file.

    The file is made on first use and again when it does not fit: other pictures or their bytes,
    another size, filter, Pillow or JPEG library, a file cut short or with a byte that is not as it
    was written. `tell` gets a line that says why.

    Args:
      pictures: N pictures.
      originals: the files behind them.
      form, report: as for `load_pictures`.
      prefix: the file's path begins so; its folder is made if there is none. None keeps the
        pictures in memory only.

    Returns:
      uint8 (N, height, width, 3); not writable, unless in memory.

    Raises:
      ValueError: as `load_pictures`; a folder that cannot be written or has no room.
    """
    form.check()
    if prefix is None or not pictures.paths:
        return load_pictures(pictures, form, read=originals.read, report=report)
    path = _cache_path(prefix, pictures.root, form)
    header = _describe(pictures, originals.stamp, form)
    try:
        return open_pixels(path, header, partial(_replaced, path, originals))
    except FileNotFoundError:
        pass  # a file that was never there needs no explanation
    except UnfitFileError as reason:
        tell(f"{path}: {reason}; decoding again")
    return build_pixels(
        path,
        header | {"changed_ns": originals.stamp.changed_ns},
        partial(_decode_all, pictures, originals.read, form, report),
    )


def _cache_path(prefix: Path, root: str, form: PictureForm) -> Path:
    """Named by what it holds and, in short, where that comes from."""
    place = hashlib.sha256(os.path.abspath(root).encode()).hexdigest()[:8]
    size = f"{form.height}x{form.width}"
    return prefix.with_name(f"{prefix.name}-{size}-{form.resample}-{place}{SUFFIX}")


def _describe(pictures: Pictures, stamp: Stamp, form: PictureForm) -> Header:
    """What the header of a fitting file says."""
    return {
        "format": FORMAT,
        "shape": [len(pictures.paths), form.height, form.width, 3],
        "filter": form.resample,
        "list of pictures": hashlib.sha256("\n".join(pictures.paths).encode()).hexdigest(),
        "source": stamp.digest,
        # Both decide about pixel values.
        "Pillow": PIL.__version__,
        "JPEG library": str(features.version("jpg")),
    }


def _decode_all(
    pictures: Pictures,
    read: Read,
    form: PictureForm,
    report: Report | None,
    pixels_NHWC: np.ndarray,
) -> Header:
    """Fills in the pixels; the header's checksum of the files they were decoded from."""
    checksums_N = np.zeros(len(pictures.paths), "<u4")

    def summed(index: int) -> bytes:
        data = read(index)
        checksums_N[index] = zlib.crc32(data)
        return data

    load_pictures(pictures, form, read=summed, report=report, out_NHWC=pixels_NHWC)
    return {"files": zlib.crc32(checksums_N)}


def _replaced(path: Path, originals: Originals, header: Header) -> str | None:
    """Whether files that look the same hold other bytes; they are read only if one is newer."""
    read, stamp = originals
    note, made = path.with_name(path.name + COMPARED), str(header["pixels"])
    if stamp.changed_ns <= max(header["changed_ns"], compared_until_ns(note, made)):
        return None
    total = header["shape"][0]
    try:
        with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
            checksums_N = list(pool.map(lambda index: zlib.crc32(read(index)), range(total)))
    except Exception:  # whatever it is, the decoder names the picture
        return "a picture behind it cannot be read"
    if zlib.crc32(np.array(checksums_N, "<u4")) != header["files"]:
        return "a picture was replaced by another of its size and date"
    note_compared(note, made, stamp.changed_ns)  # times alone changed: once is enough
    return None
