"""What `inspect` says, against counts by hand; and that it writes nothing."""

import json
import shutil

import numpy as np
import pytest

from configs import synthetic
from pclhd_jax.commands.inspect_checkpoint import main
from pclhd_jax.using.inspection.report import inspect_checkpoint
from pclhd_jax.using.inspection.settings_words import describe_settings
from pclhd_jax.weights.agw_torch import agw_to_torch
from pclhd_jax.weights.files import write_state_dict
from tests.helpers.made_run import flip, largest_file, made_config, make_run, random_state
from tests.helpers.orbax_alone import save_by_orbax


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("report") / "run"
    make_run(workdir)
    return workdir


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def listing(folder):
    return {p: (p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in folder.rglob("*")}


def test_parts_modules_and_sizes_are_counted(run, capsys):
    before = listing(run)
    main([str(run)])
    assert listing(run) == before
    rows = {
        line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line
    }
    # A stem of width 1/8: a kernel of 7 x 7 x 3 x 8, scale and bias of its norm.
    assert rows["visible"] == rows["infrared"] == ["3", "1,192", "4,768", "float32"]
    assert rows["bottleneck"] == ["1", "64", "256", "float32"]
    assert rows["params"] == rows["momentum_params"]
    arrays, numbers, *_ = rows["opt_state"]  # Adam's two means, two counts and the rate
    of_params = rows["params"]
    assert int(arrays) == 2 * int(of_params[0]) + 3
    assert int(numbers.replace(",", "")) == 2 * int(of_params[1].replace(",", "")) + 3
    assert rows["checkpoints/2:"][0] == str(len(inspect_checkpoint(run).leaves))


def test_stage_epoch_recipe_and_digests_are_told(run, capsys):
    main([str(run)])
    out = capsys.readouterr().out
    assert "recipe paper, 2 epochs done, the last one stage 2, epoch 1 of 2" in out
    assert "whose encoder is the momentum one" in out
    assert [line.split()[0] for line in out.splitlines() if "sound: every file" in line] == [
        "checkpoints/1",
        "checkpoints/2",
    ]
    main([str(run / "checkpoints/1")])
    out = capsys.readouterr().out
    assert "stage 1, epoch 1 of 1" in out and "online one" in out and "checkpoints/2" not in out


def test_every_array_has_its_shape_and_type(run, capsys):
    main([str(run), "--leaves"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["params/visible/conv1/kernel", "(7,", "7,", "3,", "8)", "float32", "4,704"] in rows
    assert ["opt_state/count", "()", "int32", "4"] in rows


def test_settings_are_told_beside_the_nearest_experiment():
    config = synthetic.get_config("released")
    assert describe_settings(config.to_dict()) == [
        "settings: those of configs/synthetic.py:released"
    ]
    config.cluster.eps = 0.55
    lines = describe_settings(json.loads(json.dumps(config.to_dict())))
    assert lines[1:] == ["  config.cluster.eps: there 0.5, here 0.55"]
    assert "configs/synthetic.py:released" in lines[0]
    config.recipe = "best"
    assert describe_settings(config.to_dict()) == [
        "settings: recipe 'best', which this version does not have"
    ]


def test_damage_is_named_and_the_newest_sound_one_shown(run, capsys):
    flip(largest_file(run / "checkpoints/2/state"))
    with pytest.raises(SystemExit) as stop:
        main([str(run)])
    out = capsys.readouterr().out
    assert stop.value.code == 1
    assert "has other contents than manifest.json says" in out and "checkpoints/1: " in out
    with pytest.raises(SystemExit, match=r"DamagedCheckpoint: checkpoints/2 is DAMAGED: state/"):
        main([str(run / "checkpoints/2")])


def test_a_list_of_files_that_is_lost_is_damage(run):
    (run / "checkpoints/2/manifest.json").unlink()
    with pytest.raises(ValueError, match=r"checkpoints/2 is DAMAGED: manifest\.json is missing"):
        inspect_checkpoint(run / "checkpoints/2")


def test_of_a_checkpoint_without_a_list_of_files_is_told_that_nothing_vouches_for_it(tmp_path):
    save_by_orbax(tmp_path, 1, {"a": np.arange(3)}, {"stage": 1, "epoch": 0})
    verdict = inspect_checkpoint(tmp_path).saved[0].verdict
    assert verdict.sound and "so nothing vouches for it" in verdict.words
    (tmp_path / "checkpoints/1/state/manifest.ocdbt").write_bytes(bytes(100))
    with pytest.raises(ValueError, match=r"checkpoints/1 is DAMAGED: state"):
        inspect_checkpoint(tmp_path)


def test_what_a_run_has_under_way_or_set_aside_is_listed(run):
    shutil.copytree(run / "checkpoints/1", run / "unfinished/1000002")
    shutil.copytree(run / "checkpoints/1", run / "damaged/checkpoints-1")
    inspection = inspect_checkpoint(run)
    assert [one.name for one in inspection.saved] == [
        "checkpoints/1",
        "checkpoints/2",
        "unfinished/1000002",
    ]
    assert inspection.notes[-1] == "set aside as damaged, never read: checkpoints-1"


def test_a_weight_file_says_which_model_it_is_of(tmp_path, capsys):
    variables = random_state(made_config(depth=18), seed=0).online
    write_state_dict(tmp_path / "a.safetensors", agw_to_torch(variables))
    main([str(tmp_path / "a.safetensors")])
    out = capsys.readouterr().out
    assert "AGW, ResNet-18 of width 0.125" in out and "visible_module" in out


def test_nothing_there_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^FileNotFoundError: .*nothing; name a workdir"):
        main([str(tmp_path / "none")])
