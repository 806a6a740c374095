"""Write an encoder as a file that other programs run.

    python -m pclhd_jax export runs/synthetic-paper --format onnx --out pclhd.onnx
    python -m pclhd_jax export runs/synthetic-paper --format stablehlo --out pclhd.stablehlo
    python -m pclhd_jax export runs/synthetic-paper --format torch --out pclhd.safetensors

onnx and stablehlo hold the computation with its weights. In: `images`, (batch, height, width, 3)
of 0 to 255, decoded and resized to the encoder's size, any batch size; and `infrared`, one bool
that says through which stem the whole batch goes (--modality visible or infrared: a file of one
stem, without that input). Out: `features`, (batch, D) of length one. Normalisation is inside, and
so is the mean over a picture and its mirror image, as in every feature that this project scores;
--single_view leaves that out: half the time, other numbers.

torch holds the weights alone, by the names of PCLHD's authors.

Every file is compared with the model before it gets its name; the largest difference is printed.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import pclhd_jax
from pclhd_jax.saving.checkpoint_name import HELP as CHECKPOINT
from pclhd_jax.system.command import command, parser_of, path_flag


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of("export", __doc__)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=path_flag, help=CHECKPOINT)
    parser.add_argument("--format", required=True, metavar="FORMAT", help="stablehlo, onnx, torch")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        type=path_flag,
        help="FILE.stablehlo, FILE.onnx, FILE.safetensors or FILE.pth",
    )
    parser.add_argument(
        "--modality", default="both", help="both, visible or infrared: the stems (%(default)s)"
    )
    parser.add_argument(
        "--single_view", action="store_true", help="without the mirrored pictures: other numbers"
    )
    parser.add_argument(
        "--pixels", default="uint8", help="uint8 or float32, 0 to 255 both (%(default)s)"
    )
    parser.add_argument(
        "--complete",
        action="store_true",
        help="torch: also what the authors' model carries unused, for strict loading",
    )
    for side in ("height", "width"):
        parser.add_argument(
            f"--{side}", type=int, help="of the pictures, for a weight file that does not tell"
        )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    options = vars(parser.parse_args(argv))
    del options["traceback"]
    # No accelerator is needed, and none is taken from a run that uses it.
    os.environ["JAX_PLATFORMS"] = "cpu"
    print(pclhd_jax.export(**options).text())


if __name__ == "__main__":
    main()
