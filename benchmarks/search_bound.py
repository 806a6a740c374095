"""The neighbour search of many pictures on several cards, by its compiled program: a bound.

    python -m benchmarks.search_bound --card h100 --n 1000000 --devices 8

All three clusterings of stage 2 from one set of products, pictures of the modalities as in
SYSU-MM01. The product of a block of rows with a tile, and its top-k, are compiled for the card as
benchmarks/compiled.py does it; the search is as many of them as a device gets. A sort is counted
as reading and writing what it sorts once, and takes more passes than that. What the host sends is
told beside, in bytes, what it does (fetch the lists, merge those of several tiles) is not
counted. COMPILED, NOT RUN: what a search takes is for a card to tell.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.cards import CARDS
from benchmarks.compiled import devices_of, need_of, prepare_environment
from benchmarks.person_features import VISIBLE_SHARE
from pclhd_jax.system.command import command

NAME = "neighbours of a block"


class Work(NamedTuple):
    """Of the busiest device. Products in units of one with a full tile."""

    products: float
    tiles: int  # rows that it gets as tiles
    blocks: int  # rows that it gets as blocks


def work_of(sizes: Sequence[int], devices: int, block_rows: int, tile_rows: int) -> Work:
    """sizes: pictures of every modality; each searches itself and the others."""
    products, tiles, blocks = 0.0, 0, 0
    for rows in sizes:
        for columns in sizes:
            turns = math.ceil(math.ceil(rows / block_rows) / devices)
            passes = math.ceil(columns / tile_rows)
            products += turns * columns / tile_rows  # its tiles are of nearly one length
            tiles += columns
            blocks += turns * block_rows * passes
    return Work(products, tiles, blocks)


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parsed(argv)
    prepare_environment()
    from benchmarks.ablation_jobs import changed_settings  # here: JAX reads the environment
    from benchmarks.programs import programs_of
    from pclhd_jax.clustering.neighbour_search import BLOCK_ROWS, TILE_ROWS

    card = CARDS[args.card]
    program = programs_of(changed_settings("configs/sysu.py", "paper", {}))[NAME]
    try:
        need = need_of(program, devices_of(card))
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    memory_s = need.moved / card.bandwidth
    products_s = need.flops / (1e12 * card.teraflops[program.products])
    width, visible = program.shapes[0].shape[1], round(args.n * VISIBLE_SHARE)
    work = work_of((visible, args.n - visible), args.devices, BLOCK_ROWS, TILE_ROWS)
    tiles_gb, blocks_gb = (4 * width * rows / 1e9 for rows in (work.tiles, work.blocks))
    print(f"{args.devices} x {card.name}, {args.n:,} pictures: compiled, not run")
    print(
        f"one product of {BLOCK_ROWS:,} x {TILE_ROWS:,} rows of {width:,}: "
        f"{1e3 * products_s:.2f} ms by its products, {1e3 * memory_s:.2f} ms by its "
        f"{need.moved / 1e9:.2f} GB; temporary {need.temporary / 2**30:.2f} GiB"
    )
    print(
        f"a device: {work.products:,.0f} such products, {work.products * products_s:.1f} s by "
        f"products, {work.products * memory_s:.1f} s by memory; the host sends it "
        f"{tiles_gb:,.0f} GB as tiles and {blocks_gb:,.0f} GB as blocks"
    )


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_bound",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--card", choices=sorted(CARDS), default="h100", help="(%(default)s)")
    parser.add_argument("--n", type=int, default=1_000_000, help="pictures (%(default)s)")
    parser.add_argument("--devices", type=int, default=8, help="cards (%(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
