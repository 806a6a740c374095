"""The record that W&B writes offline, read back from its own file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wandb

from pclhd_jax.reports.record_writers import Epoch, Start
from pclhd_jax.reports.to_wandb import Wandb, check_login

ROOT = Path(__file__).parents[2]
BLOCK = 32_768


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    wandb.teardown()  # it reads its environment once
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    wandb.teardown()


def opened(tmp_path, **changes):
    return Wandb(Start(tmp_path, {"seed": 3, "loss.tau": 0.05}, **{"last": -1} | changes))


def records_of(path):
    """The file is LevelDB's log: blocks of pieces, each with a checksum, a length and its kind."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # no piece begins so near to a block's end
            at += BLOCK - at % BLOCK
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # complete, or the last piece
            found.append(Record.FromString(whole))
            whole = b""
    return found


def written(tmp_path):
    """Of the only run: by step what was logged, its config, its exit code."""
    wandb.teardown()  # W&B's own process writes the file; waits for it
    (path,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    rows, config, code = {}, {}, None
    for record in records_of(path):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            items = record.history.item
            row = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items}
            rows[row["_step"]] = row
        elif kind == "exit":
            code = record.exit.exit_code
        elif kind in ("run", "config"):
            assert not record.run.host
            update = record.run.config.update if kind == "run" else record.config.update
            config |= {i.key or "/".join(i.nested_key): i.value_json for i in update}
    return rows, config, code


def test_numbers_settings_texts_sizes_and_pictures_come_back(tmp_path):
    writer = opened(tmp_path)
    sizes = {"cluster_sizes/visible": np.array([4, 4, 6])}
    pictures = {"rank_lists/q": np.zeros((4, 8, 3), np.uint8)}
    writer.write(Epoch(0, {"losses/loss": 2.0}))
    writer.write(Epoch(2, {"losses/loss": 0.5}, sizes, pictures, {"log": "two\nlines"}))
    writer.close(finished=True)
    rows, config, code = written(tmp_path)
    assert {step: row["losses/loss"] for step, row in rows.items()} == {0: 2.0, 2: 0.5}
    assert rows[2]["log"] == "two\nlines"
    assert rows[2]["cluster_sizes/visible/values"] == [2, 0, 1]
    assert len(list((tmp_path / "wandb").rglob("*.png"))) == 1
    assert json.loads(config["loss.tau"]) == 0.05
    assert code == 0


def test_nothing_of_the_machine_is_written_and_the_folder_is_the_owners(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    writer = opened(tmp_path)
    writer.write(Epoch(1, {"losses/loss": 0.5}))
    writer.close(finished=False)
    assert (tmp_path / "wandb").stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "wandb").rglob("requirements.txt"))
    assert not list((tmp_path / "wandb").rglob("wandb-metadata.json"))
    assert written(tmp_path)[2] == 1


def test_a_version_that_lacks_a_setting_is_refused(monkeypatch):
    monkeypatch.setattr(wandb.Settings, "model_fields", {"mode": None}, raising=False)
    with pytest.raises(ValueError, match="is too old; run `pip install -U wandb`"):
        check_login()


KILLED = """
import os, signal, sys, time
from pathlib import Path
from pclhd_jax.reports.record_writers import Epoch, Start
from pclhd_jax.reports.to_wandb import Wandb

writer = Wandb(Start(Path(sys.argv[1]), {}, last=-1))
writer.write(Epoch(1, {"losses/loss": 0.5}))
time.sleep(3)  # an epoch takes longer
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_its_epochs(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, check=False)
    rows, _, code = written(tmp_path)
    assert rows[1]["losses/loss"] == 0.5 and code is None


def test_a_resume_goes_on_in_the_same_run_unless_epochs_come_again(tmp_path):
    first = opened(tmp_path)
    first.close(finished=False)
    resumed = opened(tmp_path, last=1, run=first.run, has=1)
    resumed.close(finished=False)
    assert (resumed.run, resumed.has) == (first.run, 1)
    again = opened(tmp_path, last=1, run=first.run, has=2)
    again.close(finished=False)
    assert again.run != first.run and again.has == -1


def test_a_run_that_the_notebook_has_itself_goes_on_untouched(tmp_path):
    own = wandb.init(project="own", dir=str(tmp_path), settings=wandb.Settings(silent=True))
    writer = opened(tmp_path)
    writer.write(Epoch(0, {"losses/loss": 1.5}))
    writer.close(finished=True)
    own.log({"x": 1})  # an error if it has ended
    assert writer.run != own.id and wandb.run is own and not dict(own.config)
    own.finish()


def test_without_a_key_the_start_is_refused_unless_offline(monkeypatch, tmp_path):
    check_login()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    wandb.teardown()
    with pytest.raises(ValueError, match="run `wandb login`, set WANDB_API_KEY, or set WANDB_MODE"):
        check_login()
