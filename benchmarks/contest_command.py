"""What every command of a contest takes, and its table."""

import argparse
import sys
from collections.abc import Callable

from benchmarks.ablation import parsed
from benchmarks.ablation_jobs import changed_settings
from benchmarks.cards import GIB
from benchmarks.contest import (
    Outcome,
    machine,
    own_product,
    process_peak,
    share_the_card,
    table,
    write_json,
)
from pclhd_jax.processes.progress import say
from pclhd_jax.settings.experiment_files import split_recipe
from pclhd_jax.settings.sections import Settings
from pclhd_jax.system.command import file_flag


def settings_parser(text: str, name: str) -> argparse.ArgumentParser:
    """With the experiment alone."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="configs/synthetic.py", help="experiment (%(default)s)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the experiment"
    )
    parser.add_argument(
        "--json", type=file_flag, metavar="FILE", help="leave the raw numbers there"
    )
    return parser


def settings_named(args: argparse.Namespace) -> Settings:
    """Raises ValueError for settings that there are not, or that cannot be."""
    config, recipe = split_recipe(args.config)
    return changed_settings(config, recipe or "paper", dict(map(parsed, args.set)))


def parser_of(text: str, name: str) -> argparse.ArgumentParser:
    """With what every contest takes."""
    parser = settings_parser(text, name)
    parser.add_argument("--peer", choices=["torch"], help="who else; nobody unless asked for")
    parser.add_argument(
        "--compile_peer",
        choices=["auto", "on", "off"],
        default="auto",
        help="torch.compile; auto: where there is a GPU",
    )
    parser.add_argument("--batches", type=int, default=10, help="of a block (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="blocks (%(default)s)")
    parser.add_argument("--product", type=int, help="rows of the matrix product; 8192, or 2048")
    return parser


def run(args: argparse.Namespace, outcomes_of: Callable[[Settings], list[Outcome]]) -> None:
    """The table of what `outcomes_of` times, for the settings that `args` name."""
    share_the_card()
    try:
        settings = settings_named(args)
        product = own_product(settings.model.dtype, args.product)
        here = machine()
        say(f"{args.config}, {settings.model.dtype}; {here}")
        say(
            f"own product of {product.size} rows, {product.dtype}: "
            f"{product.flops_per_s / 1e9:,.0f} GFLOP/s"
        )
        outcomes = outcomes_of(settings)
        # Once more: what else the machine did may have met the first one alone.
        again = own_product(settings.model.dtype, args.product)
        product = max(product, again, key=lambda found: found.flops_per_s)
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(f"\n{table(outcomes, product)}")
    print(f"own product, the better of two: {product.flops_per_s / 1e9:,.0f} GFLOP/s")
    print(f"host memory of the whole process: {process_peak() / GIB:.2f} GiB at most")
    if args.json:
        write_json(args.json, args, here, product=product._asdict(), outcomes=outcomes)
