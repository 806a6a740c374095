"""One PNG of a SYSU-MM01 folder: a row per identity, the first picture of every camera.

python -m pclhd_jax contact_sheet DIR --out sheet.png [--ids 6]
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0], __package__ = str(Path(__file__).resolve().parents[1]), "data_prep"

from pclhd_jax.data.pictures.picture_files import (
    check_truncation_is_an_error,
    open_picture,
    read_picture_file,
)
from pclhd_jax.system.command import command, file_flag, parser_of
from pclhd_jax.system.paths import given_path
from pclhd_jax.system.whole_files import whole_file

CAMERAS = (1, 2, 4, 5, 3, 6)  # visible, then infrared


def contact_sheet(root: str | os.PathLike, out: str | os.PathLike, *, ids: int = 6) -> Path:
    """Draws the first `ids` identities of `root` into the PNG `out`, and returns its path.

    Raises as `draw_sheet`; ValueError for a name without .png; FileExistsError.
    """
    root, out = Path(given_path(root)), Path(given_path(out))
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out is {out}; give a name that ends in .png")
    if os.path.lexists(out):
        raise FileExistsError(f"{out} is there already; name another, or remove it")
    sheet = draw_sheet(root, ids)
    with whole_file(out, private=True) as file:  # pictures of people
        sheet.save(file, format="PNG")
    return out


def draw_sheet(root: Path, num_ids: int, height: int = 128, width: int = 64) -> Image.Image:
    """The first `num_ids` identities of `root`; a camera that lacks one leaves its place black.

    Raises:
      FileNotFoundError: `root` holds no picture in SYSU-MM01's layout.
      ValueError: a picture that cannot be read, or is none that we take; fewer than 1 identity.
    """
    check_truncation_is_an_error()
    if num_ids < 1:
        raise ValueError(f"{num_ids} identities; give at least 1")
    names = sorted({path.name for path in root.glob("cam[1-6]/*")})[:num_ids]
    if not names:
        raise FileNotFoundError(f"no cam1/0001/ to cam6/ folders in {root}; name the set's folder")
    sheet = Image.new("RGB", (len(CAMERAS) * width, len(names) * height))
    for row, name in enumerate(names):
        for column, camera in enumerate(CAMERAS):
            pictures = sorted((root / f"cam{camera}" / name).glob("*.jpg"))
            if pictures:
                small = _shrink(pictures[0], (width, height))
                sheet.paste(small, (column * width, row * height))
    return sheet


def _shrink(path: Path, size: tuple[int, int]) -> Image.Image:
    try:
        with open_picture(read_picture_file(path)) as picture:
            return picture.convert("RGB").resize(size)
    except Exception as error:  # Decoders raise many types: OSError, SyntaxError, zlib.error, ...
        raise ValueError(f"cannot show {path} ({error}); copy it again, or remove it") from error


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Command line of `contact_sheet`."""
    parser = parser_of("contact_sheet", __doc__)
    parser.add_argument("root", type=file_flag, help="a folder in SYSU-MM01's layout")
    parser.add_argument("--out", type=file_flag, required=True, help="the PNG to write")
    parser.add_argument("--ids", type=int, default=6, help="identities (default 6)")
    options = vars(parser.parse_args(argv))
    del options["traceback"]
    print(f"wrote {contact_sheet(**options)}")


if __name__ == "__main__":
    main()
