"""A run killed by SIGKILL, in processes of its own, at places that only a process can die at."""

import signal

from benchmarks.faults import start
from tests.helpers.finished_run import assert_same_end


def test_a_run_killed_at_named_places_ends_bit_identical(tmp_path):
    assert start(tmp_path, tmp_path / "undisturbed") == 0
    workdir = tmp_path / "killed"
    for name, count in (("save, half-way", 2), ("record", 1), ("hand-over", 1)):
        assert start(tmp_path, workdir, name, count) == -9, name
    assert start(tmp_path, workdir) == 0
    assert_same_end(workdir, tmp_path / "undisturbed")


def test_a_signal_saves_and_ends_with_its_exit_code(tmp_path):
    workdir = tmp_path / "asked"
    assert start(tmp_path, workdir, "step", 2, signal.SIGTERM) == 143
    (saved,) = (workdir / "unfinished").iterdir()
    assert saved.name == "2"
