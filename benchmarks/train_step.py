"""A step of training, timed; with --peer torch also as PyTorch does it, on the same machine.

    python -m benchmarks.train_step --config=configs/sysu.py --set model.dtype=bfloat16 --peer torch

Pictures, banks and weights are random, of the experiment's sizes, and on the device before the
time starts. Both do all of a step: augmentation, momentum encoder, both optimiser steps, banks;
they take turns in blocks of --batches steps. GFLOP/s are XLA's count of the step, for either,
beside a square matrix product of the model's type in the same call. Convolutions of float32 are
multiplied in TF32 on a GPU that has it, by both; products with prototypes are not. The peer's
compile seconds are its first step's. Memory is the most on the device; on a CPU what XLA's program
needs. One device.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from benchmarks.ablation import parsed
from benchmarks.ablation_jobs import changed_settings
from benchmarks.contest import (
    Contender,
    Outcome,
    compiled,
    contest,
    flops_of,
    forget,
    jax_memory,
    machine,
    own_product,
    process_peak,
    share_the_card,
    table,
    write_json,
)
from benchmarks.programs import Program, programs_of
from benchmarks.step_inputs import StepInputs, clusters_of, step_inputs
from pclhd_jax.processes.progress import say
from pclhd_jax.settings import Settings


def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, "train_step")
    parser.add_argument("--stage", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument("--clusters", type=int, nargs=3, help="of visible, infrared and both")
    args = parser.parse_args(argv)
    run(args, lambda settings: time_steps(settings, args))


def time_steps(settings: Settings, args: argparse.Namespace) -> list[Outcome]:
    clusters = args.clusters or clusters_of(settings)
    programs, outcomes = programs_of(settings, clusters), []
    for stage in sorted(args.stage):  # the smaller one first: a device's peak never falls
        name = f"stage {stage} step"
        program = programs[name]
        inputs = step_inputs(settings, stage, program, clusters)
        contenders = []
        if args.peer:  # first: JAX's steps take the state's memory with them
            from benchmarks.torch_peer.contenders import step_contender, wants_compiling

            say(f"{name}: PyTorch's first")
            contenders.append(
                step_contender(settings, stage, inputs, wants_compiling(args.compile_peer))
            )
        say(f"{name}: compiling")
        contenders.insert(0, jax_contender(stage, program, inputs))
        outcomes += contest(
            name,
            contenders,
            calls=args.batches,
            repeats=args.repeats,
            pictures=program.pictures,
            flops=flops_of(program),
        )
        del contenders, inputs
        forget()
    return outcomes


def jax_contender(stage: int, program: Program, inputs: StepInputs) -> Contender:
    state, *rest = jax.device_put(inputs)
    banks, batch, joint_batch, weights, infrared_crosses = rest
    given = (batch, weights) if stage == 1 else (batch, joint_batch, weights, infrared_crosses)
    key, done = jax.random.key(0), itertools.count()
    step, seconds = compiled(program.call, (state, banks, *given, key))

    def block(steps: int) -> None:
        nonlocal state, banks
        for _ in range(steps):
            step_key = jax.random.fold_in(key, next(done))
            state, banks, metrics = step(state, banks, *given, step_key)
        jax.block_until_ready((state, banks, metrics))

    return Contender("JAX", block, seconds, jax_memory(step))


def parser_of(text: str, name: str) -> argparse.ArgumentParser:
    """With what every contest takes."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="configs/synthetic.py", help="experiment (%(default)s)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the experiment"
    )
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
    parser.add_argument("--json", type=Path, metavar="FILE", help="leave the raw numbers there")
    return parser


def run(args: argparse.Namespace, outcomes_of: Callable[[Settings], list[Outcome]]) -> None:
    """The table of what `outcomes_of` times, for the settings that `args` name."""
    share_the_card()
    config, _, recipe = args.config.partition(":")
    try:
        settings = changed_settings(config, recipe or "paper", dict(map(parsed, args.set)))
        product = own_product(settings.model.dtype, args.product)
        here = machine()
        say(f"{args.config}, {settings.model.dtype}; {here}")
        say(
            f"own product of {product.size} rows, {product.dtype}: "
            f"{product.flops_per_s / 1e9:,.0f} GFLOP/s"
        )
        outcomes = outcomes_of(settings)
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(f"\n{table(outcomes, product)}")
    print(f"host memory of the whole process: {process_peak() / 2**30:.2f} GiB at most")
    if args.json:
        given = {name: str(value) for name, value in vars(args).items()}
        of_product = product._asdict()
        write_json(args.json, machine=here, given=given, product=of_product, outcomes=outcomes)


if __name__ == "__main__":
    main()
