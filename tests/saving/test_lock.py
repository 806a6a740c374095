import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from pclhd_jax.saving import holder
from pclhd_jax.saving.lock import check_unlocked, locked

HOLD = """
import sys, time
from pclhd_jax.saving import holder
from pclhd_jax.saving.lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holding(tmp_path):
    """A process that holds the workdir."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_second_process_is_refused_and_told_who_holds_the_workdir(holding, tmp_path):
    with pytest.raises(ValueError, match=rf"in use by another run \(process {holding.pid} on "):
        check_unlocked(tmp_path)
    with pytest.raises(ValueError, match="name another --workdir"), locked(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_no_lock(holding, tmp_path):
    holding.send_signal(signal.SIGKILL)
    holding.wait()
    assert (tmp_path / "run.lock").exists()
    check_unlocked(tmp_path)
    with locked(tmp_path):
        assert json.loads((tmp_path / "run.holder").read_text())["pid"] == os.getpid()


def test_one_process_takes_a_workdir_once(tmp_path):
    refused = pytest.raises(ValueError, match=rf"process {os.getpid()} on ")
    with locked(tmp_path), refused, locked(tmp_path):
        pass


def test_a_lock_ends_with_its_block_and_a_check_makes_nothing(tmp_path):
    check_unlocked(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    for _ in range(2):
        with locked(tmp_path / "made"):
            pass
        assert not (tmp_path / "made/run.holder").exists()  # it would name the wrong one next time


@pytest.mark.parametrize("text", ["?", "[1]", '{"pid": 1}', None])
def test_a_lock_whose_holder_cannot_be_read_still_locks(holding, tmp_path, text):
    path = tmp_path / "run.holder"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ValueError, match=r"in use by another run \(it has only just started"):
        check_unlocked(tmp_path)


@pytest.fixture
def no_locks(monkeypatch):
    """As on Colab's Drive, and everything twenty times as quick."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    for name, seconds in {"RENEW_S": 0.05, "WATCH_S": 0.4, "SETTLE_S": 0.05}.items():
        monkeypatch.setattr(holder, name, seconds)


def test_on_a_drive_without_locks_a_run_goes_on_and_says_so(no_locks, tmp_path, capsys):
    with locked(tmp_path):
        first = (tmp_path / "run.holder").read_text()
        time.sleep(0.3)
        assert (tmp_path / "run.holder").read_text() != first
    assert not (tmp_path / "run.holder").exists()
    assert capsys.readouterr().out.count("without file locks") == 1


def test_on_a_drive_without_locks_a_second_run_is_refused(no_locks, tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(ValueError, match="in use by another run"),
        locked(tmp_path),
    ):
        pass


def test_on_a_drive_without_locks_a_killed_run_blocks_nobody(no_locks, tmp_path, capsys):
    who = {"pid": 1, "host": "gone", "since": "then", "run": "a", "renewed": 3}
    (tmp_path / "run.lock").touch()
    (tmp_path / "run.holder").write_text(json.dumps(who))
    check_unlocked(tmp_path)
    with locked(tmp_path):
        assert json.loads((tmp_path / "run.holder").read_text())["pid"] == os.getpid()
    assert "watching for" in capsys.readouterr().out


def test_a_run_whose_place_was_taken_says_so(no_locks, tmp_path, capsys):
    with locked(tmp_path):
        (tmp_path / "run.holder").write_text('{"pid": 7, "host": "b", "since": "now", "run": "b"}')
        time.sleep(0.3)
    assert "another run has taken" in capsys.readouterr().out
    assert json.loads((tmp_path / "run.holder").read_text())["pid"] == 7  # it is that run's
