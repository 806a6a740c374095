"""Exact resume as users run it: XLA at its default optimisation, a new process for every start.

The rest of the suite compiles at level 0, which takes a third of the time.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.finished_run import assert_same_end
from tests.helpers.tiny import tiniest_config

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, signal, sys
from pclhd_jax.training import train
from pclhd_jax.training import step_loop
from tests.helpers.tiny import tiniest_config

_, pictures, workdir, *killed_at = sys.argv
batches = step_loop.epoch_batches

def then_killed(config, pictures, so_far):
    for step, batch in enumerate(batches(config, pictures, so_far), len(so_far.history)):
        if [str(so_far.when.stage), str(step)] == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch

step_loop.epoch_batches = then_killed
train.train_and_evaluate(tiniest_config(pictures), workdir)
"""


@pytest.fixture
def start(pictures, tmp_path):
    """Runs in a process of its own, without the suite's flags; killed before a step, if given."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    # Compiled once, as `pclhd_jax.main` has it.
    environment["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path / "compiled")
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

    def run(workdir, *killed_at):
        command = [sys.executable, "-c", PROGRAM, str(pictures), str(workdir), *killed_at]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_a_run_killed_in_both_stages_ends_bit_identical_at_the_default_optimisation(
    start, pictures, tmp_path
):
    whole = start(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert start(tmp_path / "killed", "1", "14").returncode == -signal.SIGKILL
    assert start(tmp_path / "killed", "2", "1").returncode == -signal.SIGKILL
    last = start(tmp_path / "killed")
    assert last.returncode == 0, last.stderr
    epochs = tiniest_config(pictures).stage1.epochs + tiniest_config(pictures).stage2.epochs
    assert_same_end(tmp_path / "killed", tmp_path / "whole", epochs)
