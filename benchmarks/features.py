"""Features of plain pictures, timed; with --peer torch also as PyTorch extracts them.

    python -m benchmarks.features --config=configs/sysu.py --set model.dtype=bfloat16 --peer torch

A call takes a batch of config.feature_batch_size pictures, random ones that are on the device
already, and averages picture and mirror, in eval mode: the pass over all pictures before an epoch's
clustering, and before scores. Columns, turns and devices as in benchmarks.train_step.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.contest import Contender, Outcome, compiled, contest, flops_of, forget, jax_memory
from benchmarks.contest_command import parser_of, run
from benchmarks.programs import Program, programs_of
from benchmarks.step_inputs import start
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.processes.mesh import make_mesh, replicate, shard_batch
from pclhd_jax.processes.progress import say
from pclhd_jax.settings.sections import Settings
from pclhd_jax.system.command import command


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, "features")
    parser.add_argument(
        "--modality", nargs="+", choices=MODALITIES, default=MODALITIES, help="(both)"
    )
    args = parser.parse_args(argv)
    run(args, lambda settings: time_features(settings, args))


def time_features(settings: Settings, args: argparse.Namespace) -> list[Outcome]:
    programs, outcomes = programs_of(settings), []
    variables = jax.device_get(start(settings).online)
    for modality in args.modality:
        program = programs[f"{modality} features"]
        images = np.random.default_rng(0).integers(0, 256, program.shapes[1].shape, np.uint8)
        contenders = []
        if args.peer:
            from benchmarks.torch_peer.contenders import feature_contender, wants_compiling

            say(f"{modality} features: PyTorch's first")
            compiling = wants_compiling(args.compile_peer)
            contenders.append(feature_contender(settings, variables, images, modality, compiling))
        say(f"{modality} features: compiling")
        contenders.insert(0, jax_contender(program, variables, images))
        outcomes += contest(
            f"{modality} features",
            contenders,
            calls=args.batches,
            repeats=args.repeats,
            pictures=program.pictures,
            flops=flops_of(program),
        )
        del contenders
        forget()
    return outcomes


def jax_contender(program: Program, variables: dict, images_BHWC: np.ndarray) -> Contender:
    mesh = make_mesh()
    given = replicate(mesh, variables), shard_batch(mesh, images_BHWC)
    step, seconds = compiled(program.call, given)

    def block(calls: int) -> None:
        for _ in range(calls):
            z_BD = step(*given)
        z_BD.block_until_ready()

    return Contender("JAX", block, seconds, jax_memory(step))


if __name__ == "__main__":
    main()
