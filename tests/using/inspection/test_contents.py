"""What a checkpoint holds as NumPy arrays, against what was saved and against plain Orbax."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.using.inspection import load_params, load_state
from pclhd_jax.weights.agw_torch import agw_to_torch
from pclhd_jax.weights.files import write_state_dict
from tests.helpers.finished_run import assert_same_tree, checkpointed
from tests.helpers.made_run import flip, largest_file, made_config, make_run, random_state
from tests.helpers.orbax_alone import save_by_orbax

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("contents") / "run"
    return workdir, make_run(workdir)


def test_params_are_those_of_the_encoder_that_is_scored_as_numpy_arrays(run):
    workdir, states = run
    stage1, stage2 = load_params(workdir / "checkpoints/1"), load_params(workdir)
    assert_same_tree(stage1, states[1].online)
    assert_same_tree(stage2, states[2].momentum)
    assert {type(leaf) for leaf in jax.tree.leaves(stage2)} == {np.ndarray}


def test_the_whole_state_is_what_plain_orbax_reads(run):
    workdir, states = run
    id, state, progress = load_state(workdir)
    assert (id, progress) == (2, {"stage": 2, "epoch": 0})
    assert_same_tree(state, checkpointed(workdir, 2))
    assert len(jax.tree.leaves(state)) == len(jax.tree.leaves(states[2]))


def test_a_weight_file_gives_the_same_params(tmp_path):
    variables = random_state(made_config(depth=18), seed=0).online
    write_state_dict(tmp_path / "a.safetensors", agw_to_torch(variables))
    assert_same_tree(load_params(tmp_path / "a.safetensors"), variables)
    with pytest.raises(ValueError, match="is a weight file, not a checkpoint"):
        load_state(tmp_path / "a.safetensors")


def test_arrays_that_lay_on_two_devices_are_read_where_there_is_one(tmp_path):
    """Saved by Orbax alone with its shardings, which would ask for the two devices again."""
    split = NamedSharding(make_mesh(), PartitionSpec("data"))
    x_K = jax.device_put(np.arange(8, dtype=np.float32), split)
    assert len(x_K.sharding.device_set) == 2
    state = {"params": {"x_K": x_K}, "batch_stats": {"y": x_K[:2]}}
    save_by_orbax(tmp_path, 4, state, {"stage": 1, "epoch": 0})
    code = (
        "import jax, numpy as np; from pclhd_jax.using.inspection import load_params\n"
        f"x_K = load_params({str(tmp_path)!r})['params']['x_K']\n"
        "assert jax.device_count() == 1 and isinstance(x_K, np.ndarray)\n"
        "print(x_K.tolist())"
    )
    one = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=one, capture_output=True, text=True
    )
    assert told.stdout.split("\n")[-2] == str([float(x) for x in range(8)]), told.stderr


def test_a_damaged_checkpoint_is_named_and_an_older_one_taken_only_for_a_workdir(tmp_path, capsys):
    states = make_run(tmp_path / "run")
    flip(largest_file(tmp_path / "run/checkpoints/2/state"))
    assert_same_tree(load_params(tmp_path / "run"), states[1].online)
    assert "checkpoint 1 is used instead" in capsys.readouterr().out
    with pytest.raises(DamagedCheckpoint, match=r"(?s)checkpoint 2 .*: state/.*another one: "):
        load_params(tmp_path / "run/checkpoints/2")
    flip(largest_file(tmp_path / "run/checkpoints/1/state"))
    with pytest.raises(
        DamagedCheckpoint, match=r"(?s)checkpoint 2 in .*checkpoint 1 in .*a backup, or"
    ):
        load_params(tmp_path / "run")


def test_what_is_no_checkpoint_is_refused_with_what_is_there(run, tmp_path):
    workdir, _ = run
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*/7; .*run has 1, 2"):
        load_params(workdir / "checkpoints/7")
    with pytest.raises(FileNotFoundError, match=r"nowhere: there is nothing; name a workdir"):
        load_params(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="neither a workdir nor a checkpoint of one"):
        load_params(tmp_path)
    (tmp_path / "config.json").touch()
    with pytest.raises(FileNotFoundError, match="that has finished no epoch"):
        load_params(tmp_path)


def test_a_checkpoint_of_an_earlier_version_is_read_and_is_no_encoder_if_it_has_none():
    old = ROOT / "tests/data/checkpoint-v1"
    id, state, _ = load_state(old)
    assert id == 3 and state["labels_N"].tolist() == [-1, 0, 2**40, 1]
    with pytest.raises(ValueError, match="no checkpoint of a finished epoch"):
        load_params(old)
