"""Evaluation without training: from a file, from a workdir; nothing is written."""

import json
import shutil
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from configs import regdb
from pclhd_jax.method.state import init_variables, make_optimizer, start_state
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.workdir import start_workdir
from pclhd_jax.training import run_pictures
from pclhd_jax.using import evaluate
from pclhd_jax.using.encoder import load_encoder
from pclhd_jax.using.evaluate import evaluate_only
from pclhd_jax.weights.agw_torch import agw_to_torch
from pclhd_jax.weights.files import write_state_dict
from tests.helpers.tiny import tiny_config
from tests.weights.test_weights import TINY, assert_same_tree


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    c = tiny_config(tmp_path_factory.mktemp("pictures") / "synthetic")
    run_pictures.draw_if_missing(c.data)
    return c


@cache
def variables_of(seed):
    """An untrained encoder of the tiny config, on the host."""
    key = jax.random.key(seed)
    return jax.tree.map(np.asarray, init_variables(TINY, height=32, width=16, key=key))


def workdir_of(path, config, *, stage):
    """As a run leaves it after an epoch: online weights of seed 1, momentum weights of seed 2."""
    state = start_state(jax.tree.map(jax.numpy.array, variables_of(1)), make_optimizer(0.0))
    average = variables_of(2)
    state = state.replace(
        momentum_params=average["params"], momentum_batch_stats=average["batch_stats"]
    )
    start_workdir(path, config.to_dict(), {})
    checkpoints = Checkpoints(path, keep=1)
    checkpoints.save(7, state, {"stage": stage, "epoch": 0})
    return path


def snapshot(folder):
    return {p: (p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in folder.rglob("*")}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Exports of the encoders of seeds 1 and 2."""
    root = tmp_path_factory.mktemp("files")
    for seed in (1, 2):
        write_state_dict(root / f"{seed}.safetensors", agw_to_torch(variables_of(seed)))
    return {seed: str(root / f"{seed}.safetensors") for seed in (1, 2)}


def with_agw(config, path):
    config = config.copy_and_resolve_references()
    config.init.agw = path
    return config


def test_a_file_is_scored_with_protocol_counts_and_table(config, files, tmp_path, capsys):
    scores = evaluate_only(with_agw(config, files[1]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    out = capsys.readouterr().out
    assert "sysu all-search single-shot: 32 infrared queries, " in out
    assert "visible pictures in the gallery, 2 trials" in out
    assert f"Encoder of {files[1]}" in out and "Rank-1" in out and "mINP" in out
    assert set(scores) == {"sysu all-search single-shot", "sysu indoor-search single-shot"}
    assert scores["sysu all-search single-shot"]["num_queries"] == 32


@pytest.mark.parametrize(("stage", "seed"), [(1, 1), (2, 2)])
def test_a_workdir_gives_the_online_encoder_in_stage_1_and_the_momentum_encoder_in_stage_2(
    config, files, tmp_path, capsys, stage, seed
):
    workdir = workdir_of(tmp_path / "run", config, stage=stage)
    before = snapshot(workdir)
    scores = evaluate_only(config, workdir)
    assert snapshot(workdir) == before
    assert f"after 7 epochs (stage {stage}), recipe paper" in capsys.readouterr().out
    assert scores == evaluate_only(with_agw(config, files[seed]), workdir)
    assert_same_tree(jax.tree.map(np.asarray, load_encoder(workdir).variables), variables_of(seed))


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_taken(config, tmp_path, capsys):
    workdir = workdir_of(tmp_path / "run", config, stage=1)
    shutil.copytree(workdir / "checkpoints/7", workdir / "checkpoints/8")
    (workdir / "checkpoints/8/progress/metadata").write_text("")
    before = snapshot(workdir)
    encoder = load_encoder(workdir)
    assert (encoder.epochs_done, snapshot(workdir)) == (7, before)
    assert_same_tree(jax.tree.map(np.asarray, encoder.variables), variables_of(1))
    out = capsys.readouterr().out
    assert "progress/metadata has 0 bytes" in out and "checkpoint 7 is used instead\n" in out


def test_one_checkpoint_and_a_weight_file_are_named_in_the_place_of_the_workdir(
    config, files, tmp_path
):
    workdir = workdir_of(tmp_path / "run", config, stage=1)
    scores = evaluate_only(with_agw(config, files[1]), workdir)
    assert evaluate_only(config, workdir / "checkpoints/7") == scores
    assert evaluate_only(config, files[1]) == scores


def test_two_encoders_do_not_score_alike(config, files, tmp_path):
    one, two = (evaluate_only(with_agw(config, files[seed]), tmp_path) for seed in (1, 2))
    assert one != two  # else the tests above could not tell which one was scored


def test_nothing_to_evaluate_is_an_error(config, tmp_path):
    with pytest.raises(ValueError, match=r"nothing to evaluate: no checkpoint in .*init\.agw=FILE"):
        evaluate_only(config, tmp_path / "none")
    config = config.copy_and_resolve_references()
    config.init.imagenet = "resnet.pth"
    with pytest.raises(ValueError, match="ImageNet weights are only a start for training"):
        evaluate_only(config, tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        load_encoder(tmp_path / "none")


def test_another_size_and_a_split_that_was_trained_on_are_refused(config, tmp_path):
    workdir = workdir_of(tmp_path / "run", config, stage=1)
    wider = config.copy_and_resolve_references()
    wider.model.width = 0.25
    with pytest.raises(ValueError, match=r"width 0\.125, this config says 0\.25; give --config"):
        evaluate_only(wider, workdir)
    taller = config.copy_and_resolve_references()
    taller.data.height = 64
    with pytest.raises(ValueError, match=r"give --config\.data\.height=32"):
        evaluate_only(taller, workdir)
    saved = json.loads((workdir / "config.json").read_text())
    saved["data"] |= {"layout": "regdb"}
    saved["trial"] = 3
    (workdir / "config.json").write_text(json.dumps(saved))
    other = regdb.get_config()
    other.model = config.model
    other.data.height, other.data.width = config.data.height, config.data.width
    with pytest.raises(ValueError, match=r"RegDB's split 3.*give --config\.trial=3"):
        evaluate.find_encoder(other, workdir)


def test_regdb_is_scored_in_both_directions(config, files, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for modality in ("Visible", "Thermal"):
        lines = []
        for identity in range(3):
            for number in range(2):
                path = Path(modality) / str(identity) / f"{number}.bmp"
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 256, (32, 16, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / path)
                lines.append(f"{path} {identity}\n")
        (tmp_path / "idx").mkdir(exist_ok=True)
        for part in ("train", "test"):
            (tmp_path / f"idx/{part}_{modality.lower()}_1.txt").write_text("".join(lines))
    split = with_agw(config, files[1])
    split.data.layout, split.data.source = "regdb", str(tmp_path)
    split.data.prepared = ""  # read as it is
    split.data.synthetic = None
    scores = evaluate_only(split, tmp_path / "run")
    assert set(scores) == {"regdb split 1 visible to thermal", "regdb split 1 thermal to visible"}
    out = capsys.readouterr().out
    assert "regdb split 1 visible to thermal: 6 visible queries, 6 infrared pictures in the" in out
    assert "regdb split 1 thermal to visible: 6 infrared queries, 6 visible pictures in the" in out
