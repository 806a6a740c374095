"""What a card will need, without the card: every program compiled for it, and its bound.

    python -m benchmarks.compiled --card h100 --config=configs/sysu.py

XLA compiles for a GPU that is not there; needed is JAX with its CUDA plugin, no GPU
(requirements-cuda.txt). Of each program it prints the memory that it takes beside its arguments,
the bytes that its kernels read and write (benchmarks/hlo_traffic.py), the arithmetic as XLA counts
it, and the time that these would take at the card's published rates: no run can be much faster.
Nothing is tuned to the card, as a run would be. COMPILED, NOT RUN: what a run takes is for a card
to tell.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.cards import CARDS, GIB, Card
from benchmarks.hlo_traffic import bytes_moved
from pclhd_jax.system.command import command

HEAD = ("program", "arguments, GiB", "temporary, GiB", "moved, GB", "TFLOP", "bound, ms", "by")


class Need(NamedTuple):
    """Of one call. Sizes in bytes."""

    arguments: int  # a result that takes an argument's place is not counted again
    temporary: int
    moved: float
    flops: float


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compiled",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--card", choices=sorted(CARDS), default="h100", help="(%(default)s)")
    parser.add_argument("--config", default="configs/sysu.py:paper", help="(%(default)s)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the experiment"
    )
    parser.add_argument("--clusters", type=int, nargs=3, help="of visible, infrared and both")
    args = parser.parse_args(argv)
    prepare_environment()
    from benchmarks.ablation import parsed  # here: JAX reads the environment as it is imported
    from benchmarks.ablation_jobs import changed_settings
    from benchmarks.programs import CLUSTERS, programs_of
    from pclhd_jax.settings.experiment_files import split_recipe

    config, recipe = split_recipe(args.config)
    try:
        settings = changed_settings(config, recipe or "paper", dict(map(parsed, args.set)))
        devices = devices_of(CARDS[args.card])
        programs = programs_of(settings, args.clusters or CLUSTERS)
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    card, dtype = CARDS[args.card], settings.model.dtype
    print(f"{card.name}, {args.config}, {dtype}: compiled, not run\n")
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
    for name, program in programs.items():
        need = need_of(program, devices)
        print(f"| {' | '.join([name, *cells(need, card, program.products)])} |", flush=True)


def prepare_environment() -> None:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
    flags = "--xla_gpu_autotune_level=0"  # there is nothing to try kernels on
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()


def devices_of(card: Card) -> list[Any]:
    """One such card, to compile for. Raises ValueError without JAX's CUDA plugin."""
    from jax.experimental import topologies

    try:
        described = topologies.get_topology_desc(
            platform="cuda", target_config=card.target(), topology="1x1x1"
        )
    except Exception as error:
        raise ValueError(
            f"JAX cannot compile for {card.name} here ({error}); it takes the CUDA plugin, no GPU: "
            "pip install -r requirements-cuda.txt"
        ) from error
    return described.devices


def need_of(program: Any, devices: Sequence[Any]) -> Need:
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    whole = NamedSharding(Mesh(devices, ("data",)), PartitionSpec())
    placed = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole), program.shapes
    )
    compiled = program.call.trace(*placed).lower().compile()
    memory = compiled.memory_analysis()
    # Of the program as it was written: XLA tells no number for a card that is not there.
    flops = program.call.trace(*program.shapes).lower().cost_analysis()["flops"]
    return Need(
        memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes,
        memory.temp_size_in_bytes,
        bytes_moved(compiled.as_text()),
        flops,
    )


def cells(need: Need, card: Card, products: str) -> list[str]:
    """In the order of HEAD, without the name."""
    sizes = [
        f"{need.arguments / GIB:.2f}",
        f"{need.temporary / GIB:.2f}",
        f"{need.moved / 1e9:,.1f}",
        f"{need.flops / 1e12:.2f}",
    ]
    if products not in card.teraflops:
        return [*sizes, "-", f"no {products}"]
    seconds = {
        "memory": need.moved / card.bandwidth,
        "products": need.flops / (1e12 * card.teraflops[products]),
    }
    by = max(seconds, key=seconds.get)
    return [*sizes, f"{1e3 * seconds[by]:.1f}", by]


if __name__ == "__main__":
    main()
