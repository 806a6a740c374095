"""Average the results of finished runs: seeds, or RegDB's splits.

    python -m pclhd_jax summarize runs/regdb-paper-*

Takes each run's last epoch and prints, per protocol, mean and standard deviation over runs.
RegDB's splits count as one protocol. The runs must differ in nothing but seed, split and paths.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import pclhd_jax
from pclhd_jax.system.command import command, parser_of, path_flag


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of("summarize", __doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", type=path_flag, help="workdir of a finished run"
    )
    print(pclhd_jax.summarize(parser.parse_args(argv).runs).text())


if __name__ == "__main__":
    main()
