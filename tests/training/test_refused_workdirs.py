"""A workdir that a run cannot write, cannot have, or cannot go on in: told, and left as it was."""

import errno
import os
import shutil

import numpy as np
import pytest

from pclhd_jax.saving.failed_save import workdir_explained
from pclhd_jax.saving.lock import locked
from pclhd_jax.saving.mark import MARK
from pclhd_jax.training import train
from tests.helpers.finished_run import assert_same_end
from tests.helpers.tiny import tiny_config


def test_a_full_disk_stops_the_run_with_what_was_saved_intact(
    finished, pictures, tmp_path, monkeypatch
):
    """Full while the epoch's features are kept: the first large file of an epoch."""
    workdir, real_savez, calls = tmp_path / "full", np.savez, []

    def savez(file, **arrays):
        calls.append(file)
        if len(calls) == 2:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_savez(file, **arrays)

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(OSError, match=r"full/features failed: No space.*what was saved before"):
        train.train_and_evaluate(tiny_config(pictures), workdir)
    assert [path.name for path in (workdir / "features").iterdir()] == ["epoch-0001.npz"]
    train.train_and_evaluate(tiny_config(pictures), workdir)
    assert_same_end(workdir, finished[0])


def test_a_workdir_that_cannot_be_written_is_named(pictures, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / "x"))

    monkeypatch.setattr(os, "open", refuse)
    message = r"writing in .*x failed: Read-only file system.*same command.*intact"
    with (
        pytest.raises(OSError, match=message),
        workdir_explained(tmp_path / "x"),
        locked(tmp_path / "x"),
    ):
        pass


def contents(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in paths if path.name != "run.lock"}


@pytest.mark.parametrize(
    "setting, value, message",
    [
        ("stage1.epochs", 0, r"ends stage 2, epoch 2, as epoch 3 .*do not lead there"),
        ("stage1.epochs", 4, r"do not lead there; only a stage that is not finished"),
        ("stage2.epochs", 1, r"do not lead there"),
        ("model.width", 0.25, r"other settings"),
    ],
)
def test_changes_that_cannot_be_gone_on_with_are_refused_and_leave_the_workdir_as_it_was(
    finished, pictures, tmp_path, setting, value, message
):
    workdir = tmp_path / "copy"
    shutil.copytree(finished[0], workdir)
    before = contents(workdir)
    config = tiny_config(pictures)
    section, key = setting.split(".")
    config[section][key] = value
    with pytest.raises(ValueError, match=message):
        train.train_and_evaluate(config, workdir, accept_changes=True)
    assert contents(workdir) == before
    train.train_and_evaluate(tiny_config(pictures), workdir)  # not refused


def test_a_longer_last_stage_is_accepted_and_the_table_tells_of_the_change(
    finished, pictures, tmp_path, capsys
):
    workdir = tmp_path / "longer"
    shutil.copytree(finished[0], workdir)
    config = tiny_config(pictures)
    config.stage2.epochs = 3
    last = train.train_and_evaluate(config, workdir, accept_changes=True)
    assert last["epochs_done"] == 4
    assert "settings changed on the way" in capsys.readouterr().out


def test_a_second_run_in_a_workdir_is_refused_before_it_does_anything(pictures, tmp_path):
    with locked(tmp_path / "run"), pytest.raises(ValueError, match="in use by another run"):
        train.train_and_evaluate(tiny_config(pictures), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.lock", MARK}


def test_two_runs_that_start_together_do_not_both_go_on(pictures, tmp_path, monkeypatch):
    """The second one comes while the first one loads its pictures."""
    real_start_run, held = train.start_run, []

    def slow(config):
        run = real_start_run(config)
        held.append(locked(tmp_path / "run"))
        held[0].__enter__()
        return run

    monkeypatch.setattr(train, "start_run", slow)
    with pytest.raises(ValueError, match="in use by another run"):
        train.train_and_evaluate(tiny_config(pictures), tmp_path / "run")
    held[0].__exit__(None, None, None)


def test_a_kept_number_of_checkpoints_below_one_is_refused(pictures, tmp_path):
    config = tiny_config(pictures)
    config.keep_checkpoints = -1
    with pytest.raises(ValueError, match="keep_checkpoints is -1; give at least 1"):
        train.train_and_evaluate(config, tmp_path / "run")
