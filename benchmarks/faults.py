"""Kills a tiny run again and again, and looks whether it ends where an undisturbed one ends.

    python -m benchmarks.faults --kills 20

Each round starts the same command, which dies by SIGKILL at a place drawn from a list (features,
clustering, a step, the hand-over, evaluation, in the middle of a save, ...); when the run has got
through in spite of it all, every leaf of its last checkpoint and every byte of metrics.jsonl are
compared. Then every file of a finished checkpoint is damaged in four ways. Some minutes on a CPU.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.corruption import print_matrix
from benchmarks.fault_points import NAMES, arm
from pclhd_jax.system.command import command

MOST_CALLS = 4  # a process dies at a point's first to fourth passing


@command
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the places drawn")
    parser.add_argument("--no_corruption", action="store_true", help="leave out the second part")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        undisturbed = start(root, root / "undisturbed")
        if undisturbed:
            sys.exit(f"the undisturbed run ended with {undisturbed}")
        kill_rounds(root, options.kills, options.seed)
    if not options.no_corruption and not print_matrix():
        sys.exit("damage went unnoticed, or came as a raw error")


def kill_rounds(root: Path, kills: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = [name for _ in range(-(-kills // len(NAMES))) for name in rng.permutation(NAMES)]
    left = [(name, int(rng.integers(1, MOST_CALLS + 1))) for name in places[:kills]]
    finished, started = 0, time.monotonic()
    while left:
        name, count = left[0]
        workdir = root / f"run-{finished + 1}"
        code = start(root, workdir, name, count)
        if code == -signal.SIGKILL:
            left.pop(0)
            print(f"run {finished + 1}: killed at passing {count} of: {name}", flush=True)
        elif code == 0:  # this point was not passed so often before the end
            finished += report_end(root, workdir)
            left[0] = name, 1
        else:
            sys.exit(f"after a kill at {name!r} the run ended with exit code {code}")
    workdir = root / f"run-{finished + 1}"
    if code := start(root, workdir):
        sys.exit(f"left alone, the run ended with exit code {code}")
    finished += report_end(root, workdir)
    print(
        f"{kills} kills at {len(set(places[:kills]))} of {len(NAMES)} places, {finished} runs got "
        f"through, all bit-identical; {time.monotonic() - started:.0f} s"
    )


def start(
    root: Path, workdir: Path, name: str = "", count: int = 0, signum: int = signal.SIGKILL
) -> int:
    """The exit code of the tiny run in a process of its own; -9 if it was killed."""
    arguments = [str(root / "pictures"), str(workdir), name, str(count), str(int(signum))]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(root / "compiled"),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiles fast
    }
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "--child", *arguments],
        env=environment,
        stdout=(root / "output.txt").open("a"),
        check=False,
    ).returncode


def child(pictures: str, workdir: str, name: str, count: str, signum: str) -> None:
    from pclhd_jax.processes.signals import Interrupted
    from pclhd_jax.training.train import train_and_evaluate
    from tests.helpers.tiny import tiniest_config

    config = tiniest_config(pictures)
    config.stage2.epochs = 2
    config.stage1.batches_per_epoch = config.stage2.batches_per_epoch = 3
    config.checkpoint_every_steps = 1
    if name:
        arm(name, int(count), workdir, int(signum))
    try:
        train_and_evaluate(config, workdir)
    except Interrupted as stop:
        sys.exit(stop.exit_code)


def report_end(root: Path, workdir: Path) -> int:
    """Stops with an error where two runs differ; 1, for one run more that got through."""
    from tests.helpers.finished_run import assert_same_end

    assert_same_end(workdir, root / "undisturbed")
    print(f"{workdir.name} got through: checkpoint and metrics.jsonl bit-identical", flush=True)
    return 1


if __name__ == "__main__":
    main()
