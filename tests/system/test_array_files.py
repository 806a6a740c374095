"""Arrays on disk: what is not plain numbers is refused before memory is taken for it."""

import io
import struct
import warnings
import zipfile

import numpy as np
import pytest

from pclhd_jax.system.array_files import map_npy, read_npz


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array, **more):
    file = io.BytesIO()
    np.save(file, array, **more)
    return file.getvalue()


GOOD = npz(a=np.arange(6.0, dtype=np.float32).reshape(2, 3), b=3)
ROW = npy(np.eye(3, dtype=np.float32))


def central(offset, value):
    """`GOOD` with one byte of its first central entry changed."""
    changed = bytearray(GOOD)
    changed[GOOD.index(b"PK\x01\x02") + offset] = value
    return bytes(changed)


def zipped(compression, name="a.npy", content=ROW, times=1):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the name that is there twice
        for _ in range(times):
            archive.writestr(name, content)
    return file.getvalue()


def with_header(text):
    """An .npy file whose header says `text`."""
    padded = text.encode().ljust(118 - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + b"\0" * 36


SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
HEADERS = {
    "as it is written": SHAPE % "(3, 3)",
    "a shape above the file": SHAPE % "(999999999999999999, 3)",
    "a product that overflows": SHAPE % "(4294967296, 4294967296, 4294967296)",
    "a negative shape": SHAPE % "(-3, 3)",
    "a text for a shape": SHAPE % "'(3, 3)'",
    "nested": SHAPE % ("(" * 40 + "3" + ")" * 40),
    "many axes": SHAPE % ("(" + "1, " * 20 + ")"),
    "signs": SHAPE % ("-" * 40 + "9"),
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (9,), }",
    "records": "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (9,), }",
    "a float of one byte": "{'descr': '<f1', 'fortran_order': False, 'shape': (36,), }",
    "dates": "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (4,), }",
    "a key more": SHAPE % "(3, 3), 'x': 1",
    "code": SHAPE % "__import__('os').getpid()",
    "nothing": "",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_an_arrays_or_refused(tmp_path, name):
    path = tmp_path / "a.npy"
    path.write_bytes(with_header(HEADERS[name]))
    if name == "as it is written":
        assert map_npy(path).shape == (3, 3)
        return
    with pytest.raises(ValueError):
        map_npy(path)
    (tmp_path / "a.npz").write_bytes(zipped(zipfile.ZIP_STORED, content=path.read_bytes()))
    with pytest.raises(ValueError):
        read_npz(tmp_path / "a.npz")


HOSTILE = {
    "encrypted": (central(8, 1), "encrypted"),
    "an unknown method": (central(10, 99), "compressed"),
    "lzma": (central(10, 14), "compressed"),
    "deflated": (zipped(zipfile.ZIP_DEFLATED), "compressed"),
    "a bomb": (zipped(zipfile.ZIP_DEFLATED, content=b"\0" * 10**7), "compressed"),
    "one name twice": (zipped(zipfile.ZIP_STORED, times=2), "2 arrays, but 1 names"),
    "no array": (zipped(zipfile.ZIP_STORED, "a.txt"), "not an array"),
    "objects": (npz(a=np.array([{}], object)), "plain numbers"),
    "empty": (b"", "zip"),
    "text": (b"text", "zip"),
    "an array alone": (ROW, "zip"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_savez_does_not_write_is_refused_with_the_reason(tmp_path, name):
    content, words = HOSTILE[name]
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_npz(tmp_path / "a.npz")


def test_no_changed_byte_is_another_error_or_another_array(tmp_path):
    whole = {name: array.copy() for name, array in read(tmp_path, GOOD).items()}
    rng = np.random.default_rng(0)
    silent = 0
    for place in range(0, len(GOOD)):
        changed = bytearray(GOOD)
        changed[place] ^= 1 << rng.integers(8)
        try:
            found = read(tmp_path, bytes(changed))
        except (ValueError, OSError):
            continue
        silent += 1
        assert all(np.array_equal(found[n], whole[n]) for n in found if n in whole)
    assert silent < len(GOOD) / 2  # dates and the like say nothing of the arrays


@pytest.mark.parametrize("cut", range(0, len(GOOD), 37))
def test_what_is_cut_short_is_refused(tmp_path, cut):
    with pytest.raises(ValueError):
        read(tmp_path, GOOD[:cut])


def read(folder, content):
    (folder / "a.npz").write_bytes(content)
    return read_npz(folder / "a.npz")


def test_arrays_come_back_as_they_were_whatever_their_order(tmp_path):
    arrays = {
        "c": np.arange(6, dtype=np.int64).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.zeros((0, 4), np.float32),
        "one": np.float32(7),
        "flags": np.array([True, False]),
    }
    found = read(tmp_path, npz(**arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype
        np.save(tmp_path / "one.npy", array)
        np.testing.assert_array_equal(map_npy(tmp_path / "one.npy"), array)


def test_a_folder_and_a_missing_file_are_errors(tmp_path):
    for read_file in (read_npz, map_npy):
        with pytest.raises(ValueError, match="is a folder"):
            read_file(tmp_path)
        with pytest.raises(OSError):
            read_file(tmp_path / "none")
