"""Turn pictures into embeddings: an index that `python -m pclhd_jax search` searches.

    python -m pclhd_jax embed runs/synthetic-paper PICTURES/ --modality visible --out gallery
    python -m pclhd_jax embed runs/synthetic-paper/checkpoints/12 list.txt a.jpg \
        --modality infrared --out queries
    python -m pclhd_jax embed model.safetensors data/prepared/sysu_mm01 --modality visible \
        --out gallery

CHECKPOINT is a workdir (its newest sound checkpoint), one checkpoint of it or a weight file.
INPUT is a picture, a folder (everything below it, sorted by path), a .txt file with a path per
line, relative to the file's folder, or a prepared set (with --layout: a set as its authors hand it
out), whose identities and cameras go along.

It writes

    NAME.npy    float32, a unit row per picture: the inner product of two is their similarity
    NAME.csv    name (relative), modality, and identity and camera where a set knows them
    NAME.json   of which encoder (its digest), the picture size, where the pictures lie

Pictures are resized as an evaluation resizes them. From Python, without files:

    import pclhd_jax
    z_ND = pclhd_jax.Embedder.load("runs/synthetic-paper")(["a.jpg", array_HWC], "visible")
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import pclhd_jax
from pclhd_jax.system.command import command, parser_of, path_flag


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of("embed", __doc__)
    add = parser.add_argument
    add(
        "checkpoint",
        metavar="CHECKPOINT",
        type=path_flag,
        help="a workdir, a checkpoint of it or a weight file",
    )
    add(
        "inputs",
        metavar="INPUT",
        type=path_flag,
        nargs="+",
        help="pictures, folders, .txt lists, or one set",
    )
    add("--modality", required=True, help="visible or infrared: the stem they go through")
    add(
        "--out",
        required=True,
        metavar="NAME",
        type=path_flag,
        help="NAME.npy, NAME.csv and NAME.json are written",
    )
    add(
        "--skip", action="store_true", help="leave out pictures that cannot be read: named, counted"
    )
    add("--batch_size", type=int, default=64, help="pictures at a time (%(default)s)")
    add("--height", type=int, help="of the pictures, for a weight file that does not tell (288)")
    add("--width", type=int, help="likewise (144)")
    add("--layout", default="", help="INPUT is a set as its authors hand it out: sysu, regdb, ...")
    add("--split", default="test", help="of a set: test or train (%(default)s)")
    add("--trial", type=int, default=1, help="of RegDB's ten splits (%(default)s)")
    add("--parquet", action="store_true", help="also NAME.parquet, all in one; needs pyarrow")
    options = vars(parser.parse_args(argv))
    del options["traceback"]
    # Read when JAX meets a GPU: a run that trains there would be left without memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    pclhd_jax.embed(**options)


if __name__ == "__main__":
    main()
