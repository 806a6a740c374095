"""A second process waits for the first, and a drive without locks stops nobody."""

import errno
import fcntl
import threading

import pytest
from filelock import Timeout

from pclhd_jax.system.one_at_a_time import knows_locks, one_at_a_time


def test_the_second_waits_for_the_first_and_says_so(tmp_path):
    said, order = [], []
    held, let_go = threading.Event(), threading.Event()

    def first():
        with one_at_a_time(tmp_path / "lock"):
            held.set()
            let_go.wait(10)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait(10)

    def wait():
        said.append("waiting")
        let_go.set()

    with one_at_a_time(tmp_path / "lock", wait) as alone:
        order.append("second")
    thread.join()
    assert (said, order, alone) == (["waiting"], ["first", "second"], True)


def test_without_waiting_there_is_an_error(tmp_path):
    lock = tmp_path / "lock"
    with one_at_a_time(lock), pytest.raises(Timeout), one_at_a_time(lock):
        pass
    with one_at_a_time(lock) as alone:
        assert alone


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_drive_without_locks_stops_nobody(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert not knows_locks(tmp_path / "lock")
    with one_at_a_time(tmp_path / "lock") as one, one_at_a_time(tmp_path / "lock") as other:
        assert not one and not other


@pytest.mark.parametrize("kind", ["a file of somebody", "a link", "a folder"])
def test_what_is_no_lock_file_stays_as_it_is(tmp_path, kind):
    lock, file = tmp_path / "lock", tmp_path / "file"
    file.write_text("precious")
    make = {"a link": lambda: lock.symlink_to(file), "a folder": lock.mkdir}
    make.get(kind, lambda: lock.write_text("precious"))()
    with pytest.raises(ValueError, match="is no lock file of this program"), one_at_a_time(lock):
        pass
    assert file.read_text() == "precious" and (lock.is_dir() or lock.read_text() == "precious")
