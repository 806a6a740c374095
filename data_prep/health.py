"""Opens every picture the way the loader will, and says what is odd about it."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from pclhd_jax.data.pictures.picture_files import (
    FORMATS,
    RefusedPictureError,
    check_truncation_is_an_error,
    open_picture,
    read_picture_file,
)

PICTURES_PER_TASK = 32  # one by one, small pictures would wait for the threads' queue
UPRIGHT = (1, None)


class Health(NamedTuple):
    """problem: why the picture cannot be read, '' if it can; mode: Pillow's ('RGB', 'L', ...)."""

    problem: str
    mode: str = ""
    rotated: bool = False
    content: bytes = (
        b""  # a digest of the file; empty for a picture of one colour, which is not compared
    )
    blank: bool = False


def examine(path: Path) -> Health:
    """Decodes one picture to its last pixel; never raises for a bad one."""
    try:
        data = read_picture_file(path)
        if not data:
            return Health("zero bytes")
        with open_picture(data) as image:
            image.load()
            blank = _is_blank(image)
            content = b"" if blank else hashlib.blake2b(data, digest_size=16).digest()
            return Health("", image.mode, _is_rotated(image), content, blank)
    except RefusedPictureError as error:
        return Health(str(error))
    except UnidentifiedImageError:
        return Health(f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture")
    except Exception as error:  # Decoders raise many types: OSError, SyntaxError, zlib.error, ...
        return Health(f"{type(error).__name__}: {error}")


def _is_blank(image: Image.Image) -> bool:
    bands = np.reshape(image.getextrema(), (-1, 2))
    return bool((bands[:, 0] == bands[:, 1]).all())


def _is_rotated(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation) not in UPRIGHT
    except Exception:  # a broken EXIF block: Pillow raises many types, and the loader never looks
        return False


def examine_all(
    root: str | os.PathLike,
    paths: Sequence[str],
    *,
    num_workers: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[Health]:
    """The health of each picture, in order, by threads (Pillow works without the interpreter lock).

    report(done, total) is called now and then, with done = total at the end.
    Raises ValueError when Pillow would pass over truncated pictures.
    """
    check_truncation_is_an_error()

    def examine_some(start: int) -> list[Health]:
        return [examine(Path(root) / path) for path in paths[start : start + PICTURES_PER_TASK]]

    healths: list[Health] = []
    pool = ThreadPoolExecutor(num_workers or min(16, os.cpu_count() or 1))
    try:
        for some in pool.map(examine_some, range(0, len(paths), PICTURES_PER_TASK)):
            healths += some
            if report is not None:
                report(len(healths), len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C the waiting ones are not opened first
    return healths
