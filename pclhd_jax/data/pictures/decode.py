"""Picture files -> one uint8 array in memory: exact decode to RGB, one resize."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.picture_files import (
    RefusedPictureError,
    UnreadablePictureError,
    check_size,
    check_truncation_is_an_error,
    open_picture,
    read_picture_file,
)

_RESAMPLE = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}

Read = Callable[[int], bytes]
Report = Callable[[int, int], None]


class PictureForm(NamedTuple):
    """What every picture is resized to.

    resample: 'bicubic' (training, clustering) or 'lanczos' (evaluation), both antialiased as Pillow
    does it; the aspect ratio is not kept, as everywhere in re-identification.
    """

    height: int
    width: int
    resample: str

    def check(self) -> None:
        """Raises ValueError for a size below 1 or an unknown filter."""
        if self.resample not in _RESAMPLE:
            raise ValueError(f"unknown resample {self.resample!r}; use 'bicubic' or 'lanczos'")
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"picture size is {self.height} x {self.width}; both must be at least 1"
            )

    def resized(self, image: Image.Image) -> np.ndarray:
        """uint8 (height, width, 3) of a picture in RGB."""
        return np.asarray(image.resize((self.width, self.height), _RESAMPLE[self.resample]))


def load_pictures(
    pictures: Pictures,
    form: PictureForm,
    *,
    report: Report | None = None,
    read: Read | None = None,
    out_NHWC: np.ndarray | None = None,
    unreadable: Callable[[int, ValueError], None] | None = None,
) -> np.ndarray:
    """Decodes and resizes every picture once: uint8 (N, height, width, 3), RGB, rows as listed.

    EXIF rotation is not applied and alpha is dropped. report(done, total) is called after each
    picture, in order. read(i): the bytes of picture i's file, from any thread; by default the file
    under `pictures.root`. out_NHWC: where to put them; by default a new array. unreadable(i,
    error): takes the error of a picture instead, from any thread; the row is left black.
    Raises ValueError for a picture that is missing, truncated, not JPEG/PNG/BMP, deeper than 8 bits
    or too large (`picture_files`), and for a size below 1 or an unknown resample.
    """
    form.check()
    check_truncation_is_an_error()
    images_NHWC = _destination(out_NHWC, (len(pictures.paths), form.height, form.width, 3))
    read = read or file_reader(pictures)

    def load_one(index: int) -> None:
        name = Path(pictures.root) / pictures.paths[index]
        try:
            images_NHWC[index] = _decode(read, index, name, form)
        except ValueError as error:
            if unreadable is None:
                raise
            images_NHWC[index] = 0
            unreadable(index, error)

    _all_in_order(load_one, len(pictures.paths), report)
    return images_NHWC


def resize_array(image: np.ndarray, form: PictureForm) -> np.ndarray:
    """A decoded picture as `load_pictures` makes it of a file: uint8 (height, width, 3).

    image: uint8 (H, W, 3) RGB, or (H, W) grey. Raises ValueError for another array.
    """
    form.check()
    colours = image.shape[2:]
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or colours not in ((), (3,)):
        raise ValueError(
            f"a picture of shape {image.shape} and type {image.dtype}; give uint8 (H, W, 3) in "
            "RGB, or (H, W) in grey"
        )
    if 0 in image.shape:
        raise ValueError(f"a picture of shape {image.shape}: it has no pixel")
    check_size(image.shape[1], image.shape[0])
    return form.resized(Image.fromarray(np.ascontiguousarray(image)).convert("RGB"))


def file_reader(pictures: Pictures) -> Read:
    """Reads the files under `pictures.root`."""
    root = Path(pictures.root)
    return lambda index: read_picture_file(root / pictures.paths[index])


def _destination(out_NHWC: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if out_NHWC is None:
        return np.empty(shape, np.uint8)
    if out_NHWC.shape != shape or out_NHWC.dtype != np.uint8:
        raise ValueError(
            f"out has shape {out_NHWC.shape} and type {out_NHWC.dtype}; give uint8 {shape}, or None"
        )
    return out_NHWC


def _all_in_order(load_one: Callable[[int], None], total: int, report: Report | None) -> None:
    # Pillow works without the interpreter lock.
    pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    try:
        for done, _ in enumerate(pool.map(load_one, range(total)), 1):
            if report is not None:
                report(done, total)
    finally:
        # After an error the pictures still waiting are not decoded first.
        pool.shutdown(cancel_futures=True)


def _decode(read: Read, index: int, name: Path, form: PictureForm) -> np.ndarray:
    try:
        with open_picture(read(index)) as image:
            # `convert` would copy a picture that is RGB already.
            return form.resized(image if image.mode == "RGB" else image.convert("RGB"))
    except UnreadablePictureError:  # `read` knows better what to do
        raise
    except RefusedPictureError as error:
        raise UnreadablePictureError(f"picture {name} has {error}") from error
    except Exception as error:  # Decoders raise many types: OSError, SyntaxError, zlib.error, ...
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, UnidentifiedImageError):  # its text is an address in memory
            reason = "it is no JPEG, PNG or BMP"
        raise UnreadablePictureError(
            f"cannot read picture {name} ({reason}); copy it again, or leave it out: of a set its "
            "entry in the split file, too"
        ) from error
