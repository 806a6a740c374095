"""A picture cache that is torn, damaged or half written is never read, and errors in writing it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pclhd_jax.data.pictures import cache_file
from pclhd_jax.data.pictures.cache_file import HEADER_BYTES
from pclhd_jax.data.pictures.decode import load_pictures
from tests.helpers.picture_cache import COUNT, FORM, Cache


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], r"it has 5,175 bytes of 5,176"),
        (lambda data: data + b"x", r"it has 5,177 bytes of 5,176"),
        (lambda data: data[:100], "the header is damaged"),
        (lambda data: b"", "the header is damaged"),
        (lambda data: data.replace(b'"filter"', b'"filler"', 1), "the header is damaged"),
        (lambda data: data.replace(b'{"format": 2', b'{"format": 3', 1), "the header is damaged"),
        (lambda data: bytes(HEADER_BYTES) + data[HEADER_BYTES:], "the header is damaged"),
        (lambda data: b"[]" + data[2:], "the header is damaged"),
        (lambda data: b"[" * HEADER_BYTES + data[HEADER_BYTES:], "the header is damaged"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "the pixels are damaged"),
        (lambda data: data[:HEADER_BYTES] + bytes(1080), "the pixels are damaged"),
    ],
)
def test_a_torn_or_damaged_file_is_rebuilt_with_the_reason(cache, damage, message):
    whole = cache().copy()
    file = cache.file()
    data = file.read_bytes()
    file.write_bytes(damage(data))
    np.testing.assert_array_equal(cache(), whole)
    assert len(cache.told) == 1 and re.search(message, cache.told[0])
    assert file.read_bytes() == data


def test_a_bad_sector_under_the_file_is_noticed_on_opening_and_it_is_made_anew(cache, monkeypatch):
    before = cache().copy()
    check, calls = cache_file._checksum_behind_header, []

    def fail_once(file):
        calls.append(file)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")
        return check(file)

    monkeypatch.setattr(cache_file, "_checksum_behind_header", fail_once)
    np.testing.assert_array_equal(cache(), before)
    assert "cannot be read (Input/output error); decoding again" in cache.told[0]


def test_a_folder_in_the_files_place_is_an_error_with_the_remedy(cache):
    cache()
    path = cache.file()
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=r"cannot write the picture cache .*config\.data\.cache"):
        cache()
    assert "cannot be read (it is a folder)" in cache.told[0]


def test_a_pipe_in_the_files_place_is_not_waited_for(cache):
    cache()
    path = cache.file()
    path.unlink()
    os.mkfifo(path)
    cache()
    assert "cannot be read (it is a pipe)" in cache.told[0]
    assert path.is_file()


def test_a_run_killed_while_it_writes_leaves_nothing_that_is_read(cache, pictures, folder):
    program = (
        "import os, pathlib, signal, numpy as np\n"
        "from pclhd_jax.data.lists import Pictures\n"
        "from tests.helpers.picture_cache import Cache\n"
        f"zeros = np.zeros({COUNT}, np.int32)\n"
        f"pictures = Pictures({pictures.root!r}, {pictures.paths!r}, zeros, zeros)\n"
        "def kill(done, total):\n"
        "    if done == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Cache(pictures, pathlib.Path({str(folder)!r}))(report=kill)"
    )
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in folder.iterdir()] == [".partial"]
    np.testing.assert_array_equal(cache(), load_pictures(pictures, FORM))
    assert [path.suffix for path in folder.iterdir()] == [".pictures"]


def test_nothing_stands_at_the_name_until_all_is_decoded_and_an_error_leaves_nothing(cache, folder):
    seen = []
    cache(
        report=lambda done, total: seen.append((done, total, bool(list(folder.glob("*.pictures")))))
    )
    assert seen == [(i, COUNT, False) for i in range(1, COUNT + 1)]
    with open(os.path.join(cache.pictures.root, "2.png"), "wb") as file:
        file.write(b"no picture")
    whole = cache.file().read_bytes()
    with pytest.raises(ValueError, match=r"cannot read picture .*2\.png"):
        cache()
    # The stale file stays, for those who can still use it; the unfinished one is gone.
    assert [path.read_bytes() for path in folder.iterdir()] == [whole]


def test_a_folder_that_cannot_be_made_is_an_error_with_the_remedy(cache, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot write the picture cache .* config\.data\.cache"):
        Cache(cache.pictures, tmp_path / "file" / "below")()


def test_a_full_disk_is_an_error_with_the_remedy(cache, folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        ValueError, match=r"\(No space left on device; .* MB are free\); free some room"
    ):
        cache()
    assert list(folder.iterdir()) == []
