"""A preparation interrupted, killed or not alone: the set is there whole, once, or not at all."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from data_prep import prepare
from pclhd_jax.data.pictures.prepared import is_prepared, open_prepared
from tests.helpers.small_sets import below

ROOT = Path(__file__).parents[2]


def test_an_interrupted_preparation_leaves_nothing_behind(own, tmp_path):
    def interrupt(done, total, note):
        if "writing" in note and done > 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare.prepare("folders", own, tmp_path / "p", report=interrupt)
    assert below(tmp_path / "p") == [".lock"]
    assert is_prepared(prepare.prepare("folders", own, tmp_path / "p"))


def test_what_a_killed_preparation_leaves_is_never_read_and_removed_by_the_next(own, tmp_path):
    program = (
        "import os, signal; from data_prep.prepare import prepare\n"
        "def kill(done, total, note):\n"
        "    if done > 15: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"prepare('folders', {str(own)!r}, {str(tmp_path / 'p')!r}, report=kill)"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = [name for name in below(tmp_path / "p") if name != ".lock"]
    assert len(left) == 1 and left[0].startswith(".partial-")
    assert not any(is_prepared(folder) for folder, _, _ in os.walk(tmp_path / "p"))
    # Another set than the killed one, by its cameras: its remains go all the same.
    path = prepare.prepare("folders", own, tmp_path / "p", camera_pattern=r"c(\d)/")
    assert below(tmp_path / "p") == [".lock", "folders"]
    assert len(open_prepared(path).pictures["train_visible"].paths) == 5


def test_two_preparations_at_once_make_the_set_once(own, tmp_path, monkeypatch):
    made, make = [], prepare._make

    def count(*args):
        made.append(threading.get_ident())
        make(*args)

    monkeypatch.setattr(prepare, "_make", count)
    paths = []
    threads = [
        threading.Thread(
            target=lambda: paths.append(prepare.prepare("folders", own, tmp_path / "p"))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(paths) == 3 and len(set(paths)) == 1 and len(made) == 1
