"""Picture files -> one uint8 array in memory: exact decode to RGB, one resize."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from pclhd_jax.data.lists import Pictures

_RESAMPLE = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
_FORMATS = ("JPEG", "PNG", "BMP")

Read = Callable[[int], bytes]
Report = Callable[[int, int], None]


def load_pictures(
    pictures: Pictures,
    *,
    height: int,
    width: int,
    resample: str,
    num_workers: int | None = None,
    report: Report | None = None,
    read: Read | None = None,
    out_NHWC: np.ndarray | None = None,
) -> np.ndarray:
    """Decodes and resizes every picture once: uint8 (N, height, width, 3), RGB, rows as listed.

    resample: 'bicubic' (training, clustering) or 'lanczos' (evaluation), both antialiased as Pillow
    does it; the aspect ratio is not kept, as everywhere in re-identification. EXIF rotation is not
    applied and alpha is dropped. num_workers: threads, by default one per CPU up to 16 (Pillow
    works without the interpreter lock). report(done, total) is called after each picture, in order.
    read(i): the bytes of picture i's file, from any thread; by default the file under
    `pictures.root`. out_NHWC: where to put them; by default a new array.
    Raises ValueError for a picture that is missing, truncated, not JPEG/PNG/BMP, deeper than 8 bits
    or larger than Pillow's limit, and for a size below 1 or an unknown resample.
    """
    check_form(height, width, resample)
    if num_workers is not None and num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}; use at least 1, or None")
    total = len(pictures.paths)
    images_NHWC = np.empty((total, height, width, 3), np.uint8) if out_NHWC is None else out_NHWC
    if images_NHWC.shape != (total, height, width, 3) or images_NHWC.dtype != np.uint8:
        raise ValueError(
            f"out has shape {images_NHWC.shape} and type {images_NHWC.dtype}; give uint8 "
            f"{(total, height, width, 3)}, or None"
        )
    root = Path(pictures.root)
    read = read or (lambda index: (root / pictures.paths[index]).read_bytes())

    def load_one(index: int) -> None:
        name = root / pictures.paths[index]
        images_NHWC[index] = _decode(read, index, name, (width, height), _RESAMPLE[resample])

    pool = ThreadPoolExecutor(num_workers or min(16, os.cpu_count() or 1))
    try:
        for done, _ in enumerate(pool.map(load_one, range(total)), 1):
            if report is not None:
                report(done, total)
    finally:
        # After an error the pictures still waiting are not decoded first.
        pool.shutdown(cancel_futures=True)
    return images_NHWC


def check_form(height: int, width: int, resample: str) -> None:
    """Raises ValueError for a size below 1 or an unknown filter."""
    if resample not in _RESAMPLE:
        raise ValueError(f"unknown resample {resample!r}; use 'bicubic' or 'lanczos'")
    if height < 1 or width < 1:
        raise ValueError(f"picture size is {height} x {width}; both must be at least 1")


def _decode(
    read: Read, index: int, name: Path, size: tuple[int, int], resample: Image.Resampling
) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(read(index)), formats=_FORMATS) as image:
            _check(image, name)
            return np.asarray(image.convert("RGB").resize(size, resample))
    except _RefusedPictureError:
        raise
    except Exception as error:  # Decoders raise many types: OSError, SyntaxError, zlib.error, ...
        raise ValueError(
            f"cannot read picture {name} ({type(error).__name__}: {error}); copy it again from the "
            "data set, or remove it and its entry in the split file"
        ) from error


class _RefusedPictureError(ValueError):
    """A readable picture that we will not take."""


def _check(image: Image.Image, name: Path) -> None:
    """Refuses what Pillow would only warn about or silently spoil, before any pixel is decoded."""
    pixels, limit = image.width * image.height, Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        raise _RefusedPictureError(
            f"picture {name} has {pixels:,} pixels, the limit is {limit:,}; "
            "crop the person out of it first"
        )
    # Pillow turns these into RGB by clipping at 255: a 16-bit thermal picture would become white.
    if image.mode == "F" or image.mode.startswith("I"):
        raise _RefusedPictureError(
            f"picture {name} has mode {image.mode!r}, deeper than 8 bits per channel; "
            "scale it to 8 bits first"
        )
