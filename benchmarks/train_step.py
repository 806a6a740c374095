"""A step of training, timed; with --peer torch also as PyTorch does it, on the same machine.

    python -m benchmarks.train_step --config=configs/sysu.py --set model.dtype=bfloat16 --peer torch

Pictures, banks and weights are random, of the experiment's sizes, and on the device before the
time starts. Both do all of a step: augmentation, momentum encoder, both optimiser steps, banks;
they take turns in blocks of --batches steps. GFLOP/s are XLA's count of the step, for either,
beside a square matrix product of the model's type in the same call. Convolutions of float32 are
multiplied in TF32 on a GPU that has it, by both; products with prototypes are not. The peer's
compile seconds are its first step's. Memory is the most on the device; on a CPU what XLA's program
needs. JAX takes all devices that it sees, the peer one.
"""

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.contest import Contender, Outcome, compiled, contest, flops_of, forget, jax_memory
from benchmarks.contest_command import parser_of, run
from benchmarks.programs import Program, programs_of
from benchmarks.step_inputs import StepInputs, clusters_of, step_inputs
from pclhd_jax.processes.mesh import make_mesh, replicate, shard_batch
from pclhd_jax.processes.progress import say
from pclhd_jax.settings.sections import Settings
from pclhd_jax.system.command import command


@command
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
        contenders.insert(0, jax_contender(program, inputs))
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


def jax_contender(program: Program, inputs: StepInputs) -> Contender:
    mesh = make_mesh()
    state, banks, by_epoch = replicate(mesh, (inputs.state, inputs.banks, inputs.by_epoch))
    given = shard_batch(mesh, inputs.batches), by_epoch
    key, done = jax.random.key(0), itertools.count()
    step, seconds = compiled(program.call, (state, banks, *given, key))

    def block(steps: int) -> None:
        nonlocal state, banks
        for _ in range(steps):
            step_key = jax.random.fold_in(key, next(done))
            state, banks, metrics = step(state, banks, *given, step_key)
        jax.block_until_ready((state, banks, metrics))

    return Contender("JAX", block, seconds, jax_memory(step))


if __name__ == "__main__":
    main()
