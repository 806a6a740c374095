"""Windows, simulated: what it lacks is done without."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from pclhd_jax.data.pictures.cache_file import build_pixels
from pclhd_jax.saving.lock import locked
from pclhd_jax.system import one_at_a_time, windows
from pclhd_jax.system.whole_files import whole_file


@pytest.fixture
def on_windows(monkeypatch):
    real = os.open

    def no_folders(path, *args, **kwargs):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(windows, "WINDOWS", True)
    monkeypatch.setattr(os, "open", no_folders)
    monkeypatch.delattr(os, "fchmod")
    monkeypatch.setattr(one_at_a_time, "fcntl", None)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a ctrl-C there"))


def test_files_are_written_whole_and_a_workdir_is_held(on_windows, tmp_path):
    for private in (False, True):
        with whole_file(tmp_path / "a", private=private) as file:
            file.write(b"a")
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / "run.holder").exists()
    assert (tmp_path / "a").read_bytes() == b"a"


def test_a_cache_is_renamed_when_it_is_closed(on_windows, tmp_path):
    path, header = tmp_path / "a.pictures", {"shape": [2, 3, 4, 3]}
    (tmp_path / "a.pictures.00.host.1.partial").write_text("of another process")

    def fill(pixels_NHWC):
        pixels_NHWC[:] = 7
        return {"files": 0, "changed_ns": 0}

    for _ in range(2):
        pixels_NHWC = build_pixels(path, header, fill)
        assert (np.asarray(pixels_NHWC) == 7).all() and not pixels_NHWC.flags.writeable


def test_whether_a_process_is_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert windows.is_alive(os.getpid()) and not windows.is_alive(process.pid)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_drive_that_flushes_no_folder_is_no_reason_to_stop(tmp_path, monkeypatch, number):
    def refuse(_):
        raise OSError(number, "not here")

    monkeypatch.setattr(os, "fsync", refuse)
    windows.sync_folder(tmp_path)


def test_a_folder_that_fails_to_flush_is_told(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.EIO, "a bad sector")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="a bad sector"):
        windows.sync_folder(tmp_path)
