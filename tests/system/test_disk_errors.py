"""A disk that refuses is told in one way, whichever library met it."""

import errno
import os
import pickle

import pytest

from pclhd_jax.system.disk_errors import DiskRefusedError, disk_explained
from pclhd_jax.system.whole_files import whole_file, whole_path

FULL = os.strerror(errno.ENOSPC)


class SafetensorError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, FULL),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
        RuntimeError(f"write() failed: {FULL}"),  # ArrayRecord
        RuntimeError(f"close() failed: {FULL}"),
        ValueError("os_error_code='28' and more"),  # TensorStore
        SafetensorError("IoError(Os { code: 28, kind: StorageFull, message: ... })"),
    ],
)
def test_folder_space_and_remedy_are_named_whatever_raised(tmp_path, error):
    words = (
        r"drawing in .* failed: .*; it needs about 3\.0 MB, [\d,.]+ MB are free; free some space"
    )
    with (
        pytest.raises(DiskRefusedError, match=words) as caught,
        disk_explained("drawing", tmp_path, size=lambda: 3_000_000),
    ):
        raise error
    assert str(tmp_path) in str(caught.value) and caught.value.errno
    copy = pickle.loads(pickle.dumps(caught.value))  # other processes get it so
    assert (str(copy), copy.errno) == (str(caught.value), caught.value.errno)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("28 pictures"),
        RuntimeError("out of memory"),
        FileNotFoundError(errno.ENOENT, "No such file", "a"),
        PermissionError(errno.EACCES, "Permission denied", "/elsewhere/picture.jpg"),
        OSError("a sentence of this program"),
    ],
)
def test_other_errors_pass_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, disk_explained("drawing", tmp_path):
        raise error
    assert caught.value is error


def test_it_is_explained_once(tmp_path):
    with (
        pytest.raises(DiskRefusedError) as caught,
        disk_explained("outer", tmp_path),
        disk_explained("inner", tmp_path),
    ):
        raise OSError(errno.ENOSPC, FULL)
    assert str(caught.value).startswith("inner in ")


@pytest.mark.parametrize("whole", [whole_file, whole_path])
def test_half_a_file_does_not_stay(tmp_path, whole):
    (tmp_path / "a.npy").write_text("old")
    with pytest.raises(DiskRefusedError, match=r"writing a\.npy in"), whole(tmp_path / "a.npy"):
        raise OSError(errno.ENOSPC, FULL)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.npy": "old"}


def test_an_array_that_numpy_could_not_write_whole_is_a_full_disk(tmp_path):
    words = r"writing x in .*9 requested and 3 written.*free some space"
    with pytest.raises(DiskRefusedError, match=words), disk_explained("writing x", tmp_path):
        raise OSError("9 requested and 3 written")
