"""A picture file, which anybody may have made: read whole, opened only as what the sets use."""

import io
import os
import re

from PIL import Image, ImageFile

from pclhd_jax.system.plain_files import NotPlainError, TooLargeError, read_plain

FORMATS = ("JPEG", "PNG", "BMP")  # by content; the file's name says nothing
MAX_PIXELS = 50_000_000  # a person crop has ten to a hundred thousand
MAX_SIDE = 65_535  # as many as a JPEG can have
MAX_SCANS = 100  # of a progressive JPEG, each a pass over all pixels; common are ten
JPEG_SCAN = b"\xff\xda"
MAX_BYTES = 256 * 2**20  # of a file: 50 megapixels as BMP fit


class RefusedPictureError(ValueError):
    """Why a picture is not taken, to follow 'the picture has'."""


class UnreadablePictureError(ValueError):
    """A picture that cannot be had or is not taken: its name, the reason and the remedy."""


def read_picture_file(path: str | os.PathLike) -> bytes:
    """The bytes of a picture file.

    Raises OSError, and RefusedPictureError for a file that is too large or not a regular file, such
    as a pipe or a device.
    """
    try:
        return read_plain(path, MAX_BYTES)
    except TooLargeError as error:
        raise RefusedPictureError(
            f"{error.size} bytes, the limit is {MAX_BYTES:,}; crop the person out of it first"
        ) from error
    except NotPlainError as error:
        raise RefusedPictureError(
            f"no content, because it is {error.kind}; remove it, and its entry in a list"
        ) from error


def open_picture(data: bytes) -> Image.Image:
    """The picture in `data`, no pixel decoded yet; use as a context manager.

    Raises RefusedPictureError for what Pillow would only warn about or silently spoil, and what
    Pillow raises for anything else than JPEG, PNG and BMP.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:  # above twice Pillow's limit; it tells the size
        found = re.search(r"\d+", str(error))
        size = int(found[0]) if found else None
        raise RefusedPictureError(_too_large(size, _max_pixels())) from error
    check_size(*image.size)
    if image.format in ("JPEG", "MPO") and data.count(JPEG_SCAN) > MAX_SCANS:
        raise RefusedPictureError(
            f"more than {MAX_SCANS} scans, which take minutes to decode; save it again"
        )
    # Pillow turns these into RGB by clipping at 255: a 16-bit thermal picture would become white.
    # Of 16-bit colour it takes the upper eight bits, which is what one would do by hand.
    if image.mode == "F" or image.mode.startswith("I"):
        raise RefusedPictureError(
            f"mode {image.mode!r}, deeper than 8 bits per channel; scale it to 8 bits first"
        )
    return image


def check_size(width: int, height: int) -> None:
    """Raises RefusedPictureError for too many pixels, in all or in a row."""
    limit = _max_pixels()
    if width * height > limit:
        raise RefusedPictureError(_too_large(width * height, limit))
    # Resizing keeps weights for every pixel of a row: 2 GB of them for 40,000,000 x 1.
    if max(width, height) > MAX_SIDE:
        raise RefusedPictureError(
            f"{width:,} x {height:,} pixels, the limit of a side is {MAX_SIDE:,}; crop the person "
            "out of it first"
        )


def _max_pixels() -> int:
    return min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS)


def check_truncation_is_an_error() -> None:
    """Raises ValueError where a program told Pillow to fill what is missing with grey."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise ValueError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on: truncated pictures would be filled with "
            "grey in silence; set it to False"
        )


def _too_large(pixels: int | None, limit: int) -> str:
    count = "too many" if pixels is None else f"{pixels:,}"
    return f"{count} pixels, the limit is {limit:,}; crop the person out of it first"
