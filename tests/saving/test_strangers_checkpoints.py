"""Checkpoints whose list of files fits and whose records are not ours: a stranger made both."""

import json
import shutil

import numpy as np
import pytest
import tensorstore

from pclhd_jax.saving.integrity import DamagedCheckpoint, file_digests, write_manifest
from pclhd_jax.using.encoder import load_encoder
from pclhd_jax.using.inspection import load_params, load_state
from pclhd_jax.using.inspection.report import inspect_checkpoint
from tests.helpers.made_run import make_run

DOORS = (load_encoder, lambda run: inspect_checkpoint(run).text(), load_params, load_state)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "run"
    make_run(run, ids=(1,))
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def rewritten(run, progress):
    """The record in the place of the checkpoint's own, with a list of files that fits."""
    folder = run / "checkpoints" / "1"
    (folder / "progress" / "metadata").write_text(json.dumps(progress))
    vouch_for(folder)


def vouch_for(folder):
    (folder / "manifest.json").unlink()
    write_manifest(folder, file_digests(folder))


PROGRESS = ([1], {"stage": 3, "epoch": 0}, {"stage": "1", "epoch": 0}, {"stage": 1, "epoch": -1})


@pytest.mark.parametrize("progress", PROGRESS)
def test_progress_of_another_shape_is_damage(run, progress):
    rewritten(run, progress)
    with pytest.raises(ValueError, match=r"progress.*must be"):
        load_encoder(run)
    each_door_ends_well(run)


def test_what_is_ours_is_read_after_all_that_was_rewritten(run):
    rewritten(run, {"stage": 1, "epoch": 0})
    for door in DOORS:
        door(run)


def each_door_ends_well(run):
    for door in DOORS:
        try:
            door(run)
        except (ValueError, OSError) as error:
            assert str(error)


def test_arrays_that_its_files_cannot_hold_take_no_memory(run):
    """As many numbers as no machine has: to ask for the memory would end in a MemoryError."""
    folder = run / "checkpoints/1"
    name = "params.visible.conv1.kernel/"
    files = {"driver": "ocdbt", "base": f"file://{folder}/state/", "path": name}
    place = {"driver": "zarr", "kvstore": files}
    make = {"create": True, "delete_existing": True, "dtype": np.float32, "shape": [2**50]}
    tensorstore.open(place, **make).result()
    vouch_for(folder)
    with pytest.raises(DamagedCheckpoint, match=r"arrays would take 4,503,599,\d{3},\d{3},\d{3} b"):
        load_state(folder)


def test_damage_is_told_once(run):
    folder = run / "checkpoints/1"
    (folder / "state/_METADATA").write_bytes(b"")
    vouch_for(folder)
    with pytest.raises(DamagedCheckpoint) as error:
        load_state(folder)
    text = str(error.value)
    assert text.count("is damaged") == 1 and "which arrays there are" in text
