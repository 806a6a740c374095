"""Calls of `Embedder` with few and with many pictures, timed.

    python -m benchmarks.embedding runs/synthetic-paper --pictures 1 5 64 200

For each number: the first call, which compiles its program, and the median of the later ones, with
batches chosen by the number of pictures and with every batch filled up to --batch_size; and the
largest difference between the two features of one picture. Pictures are noise in memory, of the
encoder's size, so nothing is decoded.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jax
import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax.processes.progress import say
from pclhd_jax.reports.columns import aligned
from pclhd_jax.system.command import command, path_flag
from pclhd_jax.using.retrieval.embedder import BATCH_SIZE, Embedder

HEADER = ("pictures", "batch", "first call s", "later ms", "filled: first s", "later ms", "apart")


@dataclass(frozen=True)
class Filled(Embedder):
    """Every batch has the whole size, however few pictures come."""

    def batch_of(self, total: int) -> int:
        return self.batch_size


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.embedding",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "checkpoint",
        metavar="CHECKPOINT",
        type=path_flag,
        help="a workdir, a checkpoint of it or a weight file",
    )
    add("--pictures", type=int, nargs="+", default=[1, 5, 64, 200], help="of a call")
    add("--modality", default="visible", help="visible or infrared (%(default)s)")
    add("--batch_size", type=int, default=BATCH_SIZE, help="at most (%(default)s)")
    add("--calls", type=int, default=10, help="calls after the first (%(default)s)")
    args = parser.parse_args(argv)
    chosen = Embedder.load(args.checkpoint, batch_size=args.batch_size)
    rows = [HEADER]
    for number in args.pictures:
        rows.append(compare(chosen, number, args.modality, args.calls))
        say(f"{number} pictures done")
    say("\n".join(aligned(rows)))


def compare(chosen: Embedder, number: int, modality: str, calls: int) -> list[str]:
    """A row of the table."""
    size = number, chosen.encoder.height, chosen.encoder.width, 3
    images_NHWC = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    filled = Filled(chosen.encoder, chosen.batch_size)
    first, later, z_ND = timed(chosen, images_NHWC, modality, calls)
    filled_first, filled_later, other_ND = timed(filled, images_NHWC, modality, calls)
    cells = [f"{number}", f"{chosen.batch_of(number)}", f"{first:.2f}", f"{1000 * later:.1f}"]
    cells += [f"{filled_first:.2f}", f"{1000 * filled_later:.1f}"]
    return [*cells, f"{np.abs(z_ND - other_ND).max():.1e}"]


def timed(
    embedder: Embedder, images_NHWC: np.ndarray, modality: str, calls: int
) -> tuple[float, float, np.ndarray]:
    """Seconds of the first call and of a later one, and the features."""
    jax.clear_caches()  # so that the first call compiles its program
    seconds = []
    for _ in range(1 + max(1, calls)):
        started = time.perf_counter()
        z_ND = embedder(images_NHWC, modality)
        seconds.append(time.perf_counter() - started)
    return seconds[0], median(seconds[1:]), z_ND


if __name__ == "__main__":
    main()
