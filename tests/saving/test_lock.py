import json
import os
import signal
import subprocess
import sys

import pytest

from pclhd_jax.saving.lock import check_unlocked, locked

HOLD = """
import sys, time
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
