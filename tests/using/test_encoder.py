"""CHECKPOINT: one way to name an encoder, and what becomes of each name."""

import jax
import numpy as np
import pytest

from pclhd_jax.models.agw import AGW
from pclhd_jax.saving.checkpoint_name import RunCheckpoint, WeightFile, parse_checkpoint
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.using.encoder import load_encoder
from pclhd_jax.weights.agw_torch import agw_to_torch
from pclhd_jax.weights.files import read_weights, write_state_dict
from tests.helpers.finished_run import assert_same_tree, checkpointed


@pytest.fixture(scope="module")
def run(finished):
    """Checkpoint 1 is of stage 1, 2 and 3 are of stage 2."""
    return finished[0]


def saved(run, epochs_done, prefix=""):
    """An encoder of a checkpoint, read by plain Orbax."""
    state = checkpointed(run, epochs_done)
    return {name: state[prefix + name] for name in ("params", "batch_stats")}


@pytest.fixture(scope="module")
def file(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "export.safetensors"
    write_state_dict(path, agw_to_torch(saved(run, 3, "momentum_")), picture_size=(32, 16))
    return path


def held_by(encoder):
    return jax.tree.map(np.asarray, encoder.variables)


def test_a_workdir_names_its_newest_checkpoint_and_a_checkpoint_names_itself(run, monkeypatch):
    assert_same_tree(held_by(load_encoder(run)), saved(run, 3, "momentum_"))
    first = load_encoder(run / "checkpoints/1")
    assert_same_tree(held_by(first), saved(run, 1))
    assert (first.epochs_done, first.stage, first.height, first.width) == (1, 1, 32, 16)
    assert first.origin == f"{run}/checkpoints/1 after 1 epochs (stage 1), recipe paper"
    monkeypatch.chdir(run / "checkpoints/1")
    assert parse_checkpoint(".") == parse_checkpoint("../1/") == RunCheckpoint(run, 1)
    assert parse_checkpoint("../..") == RunCheckpoint(run, None)


def test_a_weight_file_tells_depth_width_and_picture_size(run, file):
    encoder = load_encoder(file)
    assert parse_checkpoint(file) == WeightFile(file)
    assert_same_tree(held_by(encoder), saved(run, 3, "momentum_"))
    assert encoder.model == AGW(18, 0.125)
    assert (encoder.height, encoder.width, encoder.settings) == (32, 16, None)


def test_a_run_and_its_export_have_one_digest_and_other_encoders_another(run, file):
    digests = [load_encoder(name).digest for name in (run, file, run / "checkpoints/1")]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_picture_size_is_written_beside_the_tensors_and_read_back(run, tmp_path, suffix):
    if suffix == ".pth":
        pytest.importorskip("torch")
    path, state = tmp_path / f"a{suffix}", agw_to_torch(saved(run, 1))
    write_state_dict(path, state)
    assert read_weights(path).picture_size is None
    write_state_dict(path, state, picture_size=(96, 48))
    weights = read_weights(path)
    assert weights.picture_size == (96, 48) and weights.tensors.keys() == state.keys()


def test_a_file_without_a_size_is_taken_for_the_published_one_unless_told(run, tmp_path):
    path = tmp_path / "a.safetensors"
    write_state_dict(path, agw_to_torch(saved(run, 1)))
    assert load_encoder(path)[2:4] == (288, 144)
    assert load_encoder(path, height=64, width=32)[2:4] == (64, 32)
    with pytest.raises(ValueError, match="pictures of 8 x 32; give a height and a width of 16 to"):
        load_encoder(path, height=8, width=32)
    with pytest.raises(ValueError, match="height is 64 and width None; give both, or none"):
        load_encoder(path, height=64)


def test_another_size_than_the_checkpoint_tells_is_refused(run, file):
    for name in (run, file):
        assert load_encoder(name, height=32, width=16)[2:4] == (32, 16)
        with pytest.raises(ValueError, match="takes pictures of 32 x 16, asked for 64 x 32; leave"):
            load_encoder(name, height=64, width=32)


def test_a_name_of_nothing_says_what_to_name(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is nothing; name a workdir .*weight file"):
        load_encoder(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*checkpoints/9; .* has 1, 2, 3"):
        load_encoder(run / "checkpoints/9")
    with pytest.raises(ValueError, match="neither a workdir nor a checkpoint of one; name a"):
        load_encoder(tmp_path)
    with pytest.raises(ValueError, match="neither a workdir nor"):
        load_encoder(run / "checkpoints")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="a workdir that has finished no epoch"):
        load_encoder(tmp_path)
    (tmp_path / "checkpoints/3").mkdir(parents=True)
    (tmp_path / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no config\.json in .*restore the file"):
        load_encoder(tmp_path / "checkpoints/3")


def test_a_damaged_checkpoint_that_was_named_is_an_error_not_passed_over(run):
    path = run / "checkpoints/2/progress/metadata"
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(
        DamagedCheckpoint,
        match=r"(?s)checkpoint 2 in .*: progress/metadata.*name the workdir.* has 1, 2, 3; or",
    ):
        load_encoder(run / "checkpoints/2")
    path.write_bytes(whole)


def test_a_wrong_weight_file_is_named(run, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"a\.safetensors cannot be read"):
        load_encoder(path)
    write_state_dict(path, {"weight": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=r"a\.safetensors: no .*not\s+weights of this archi"):
        load_encoder(path)
    state = agw_to_torch(saved(run, 1))
    state.pop("bottleneck.weight")
    write_state_dict(path, state)
    with pytest.raises(ValueError, match=r"a\.safetensors: .*\n.*1 missing: bottleneck\.weight"):
        load_encoder(path)
    text = tmp_path / "notes.txt"
    text.write_text("weights")
    with pytest.raises(ValueError, match=r"ends in '\.txt'; weights are read from \.safetensors"):
        load_encoder(text)
