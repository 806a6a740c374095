"""Look into a checkpoint: what is in it, of which run, and whether it is what was saved.

    python -m pclhd_jax inspect runs/synthetic-paper
    python -m pclhd_jax inspect runs/synthetic-paper/checkpoints/28 --leaves

CHECKPOINT is a workdir, one checkpoint of it or a weight file. Of a workdir, every checkpoint is
verified by its digests and the newest sound one is shown: its parts with their sizes (--leaves:
every array with shape and type), stage and epoch, and in which settings the run differs from the
experiment nearest to it. Nothing is written, and no accelerator is used. Ends with exit code 1 if a
checkpoint is damaged. The arrays themselves, as NumPy's:

    import pclhd_jax
    pclhd_jax.load_params("runs/synthetic-paper")["params"]["bottleneck"]["scale"]
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
    parser = parser_of("inspect", __doc__)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=path_flag, help=CHECKPOINT)
    parser.add_argument("--leaves", action="store_true", help="a row for every array")
    args = parser.parse_args(argv)
    os.environ["JAX_PLATFORMS"] = "cpu"
    inspection = pclhd_jax.inspect(args.checkpoint)
    print(inspection.text(every_leaf=args.leaves))
    if not inspection.sound:
        sys.exit(1)


if __name__ == "__main__":
    main()
