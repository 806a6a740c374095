"""A picture file, which anybody may have made: read whole, opened only as what the sets use."""

import io
import os
import re

from PIL import Image, ImageFile

FORMATS = ("JPEG", "PNG", "BMP")  # by content; the file's name says nothing
MAX_PIXELS = 50_000_000  # a person crop has ten to a hundred thousand
MAX_BYTES = 256 * 2**20  # of a file: 50 megapixels as BMP fit


class RefusedPictureError(ValueError):
    """Why a picture is not taken, to follow 'the picture has'."""


class UnreadablePictureError(ValueError):
    """A picture that cannot be had or is not taken: its name, the reason and the remedy."""


def read_picture_file(path: str | os.PathLike) -> bytes:
    """The bytes of a picture file.

    Raises OSError, and RefusedPictureError for a file that is larger than any picture we take.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise RefusedPictureError(
                f"{size:,} bytes, the limit is {MAX_BYTES:,}; crop the person out of it first"
            )
        return file.read()


def open_picture(data: bytes) -> Image.Image:
    """The picture in `data`, no pixel decoded yet; use as a context manager.

    Raises RefusedPictureError for what Pillow would only warn about or silently spoil, and what
    Pillow raises for anything else than JPEG, PNG and BMP.
    """
    limit = min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:  # above twice Pillow's limit; it tells the size
        found = re.search(r"\d+", str(error))
        raise RefusedPictureError(_too_large(int(found[0]) if found else None, limit)) from error
    if image.width * image.height > limit:
        raise RefusedPictureError(_too_large(image.width * image.height, limit))
    # Pillow turns these into RGB by clipping at 255: a 16-bit thermal picture would become white.
    # Of 16-bit colour it takes the upper eight bits, which is what one would do by hand.
    if image.mode == "F" or image.mode.startswith("I"):
        raise RefusedPictureError(
            f"mode {image.mode!r}, deeper than 8 bits per channel; scale it to 8 bits first"
        )
    return image


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
