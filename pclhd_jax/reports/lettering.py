"""Words in a picture: the font, what it can draw, and names that fit their place."""

from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

from pclhd_jax.system.text import printable, shortened

FILE = "fonts/ttf/DejaVuSans.ttf"  # of matplotlib: Latin, Greek, Cyrillic and more
NO_CHARACTER = "\U0010ffff"  # no font has it, so it shows the box for a missing glyph


@cache
def font_of(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib  # here: it takes a tenth of a second

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / FILE, size)


def fitting(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """`text` as the font can draw it; if it is too wide, dots replace its middle."""
    return shortened(drawable(text, font), width, font.getlength)


def drawable(text: str, font: ImageFont.FreeTypeFont) -> str:
    """Control marks, and characters that the font lacks, as escapes (\\u4eba).

    With boxes all such names would look alike; you can find an escape in NAME.csv.
    """
    return "".join(
        c if has_glyph(c, font) else c.encode("unicode_escape").decode("ascii")
        for c in printable(text, keep="")
    )


@lru_cache(maxsize=10_000)
def has_glyph(character: str, font: ImageFont.FreeTypeFont) -> bool:
    if character.isascii():
        return True
    return _drawn(character, font) != _drawn(NO_CHARACTER, font)


def _drawn(character: str, font: ImageFont.FreeTypeFont) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
