"""Checkpoints whose checksums fit and whose records are not ours: a stranger made both."""

import json
import shutil

import jax
import numpy as np
import pytest

from pclhd_jax.saving.integrity import DamagedCheckpoint, digest_of, sealed, write_manifest
from pclhd_jax.using.encoder import load_encoder
from pclhd_jax.using.inspection import contents, load_params, load_state
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


def rewritten(run, progress=None, leaves=None):
    """The records in the place of the checkpoint's own, with seals and checksums that fit."""
    folder = run / "checkpoints" / "1"
    kept = {name: json.loads((folder / name / "metadata").read_text()) for name in NAMES}
    checksums = {key: value for key, value in kept["checksums"].items() if key != "seal"}
    if progress is not None:
        (folder / "progress" / "metadata").write_text(json.dumps(progress))
        checksums["progress"] = digest_of(progress)
    checksums["leaves"] = checksums["leaves"] if leaves is None else leaves
    (folder / "checksums" / "metadata").write_text(json.dumps(sealed(checksums)))
    (folder / "manifest.json").unlink()
    write_manifest(folder)


NAMES = ("progress", "checksums")
DIGEST = "0" * 32
PROGRESS = ([1], {"stage": 3, "epoch": 0}, {"stage": "1", "epoch": 0}, {"stage": 1, "epoch": -1})
LEAVES = ([], {"a": 1}, {"a": ["float32", "x", DIGEST]}, {"a": ["float32", [2**60], DIGEST]})


@pytest.mark.parametrize("progress", PROGRESS)
def test_progress_of_another_shape_is_damage(run, progress):
    rewritten(run, progress)
    with pytest.raises(ValueError, match=r"progress.*must be"):
        load_encoder(run)
    each_door_ends_well(run)


@pytest.mark.parametrize("leaves", LEAVES)
def test_checksums_of_another_shape_are_damage(run, leaves):
    rewritten(run, leaves=leaves)
    with pytest.raises(ValueError, match="checkpoints"):
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


def test_arrays_that_its_files_cannot_hold_take_no_memory(run, monkeypatch):
    # As many numbers as no machine has: to ask for the memory would end in a MemoryError.
    huge = {"params": jax.ShapeDtypeStruct((2**50,), np.float32)}
    monkeypatch.setattr(contents, "metadata_of", lambda _: huge)
    for verified in (True, False):
        if not verified:
            (run / "checkpoints/1/manifest.json").unlink()
        with pytest.raises(DamagedCheckpoint, match=r"arrays would take 4,503,599,627,370,496 b"):
            load_state(run / "checkpoints/1")


def test_damage_is_told_once(run):
    (run / "checkpoints/1/manifest.json").unlink()
    (run / "checkpoints/1/state/manifest.ocdbt").write_bytes(b"\0" * 100)
    with pytest.raises(DamagedCheckpoint) as error:
        load_state(run / "checkpoints/1")
    text = str(error.value)
    assert text.count("is damaged") == 1 and "which arrays there are" in text
