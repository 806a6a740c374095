"""Regular files alone are read, up to a limit; absent is only what has no name."""

import os
import socket

import pytest

from pclhd_jax.system.plain_files import (
    BROKEN_LINK,
    FILE,
    NOTHING,
    is_there,
    kind_of,
    read_plain,
    read_text,
    text_lines,
)


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """By kind, a path to something that is no regular file, and a link to each."""
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    os.mkfifo("pipe")
    os.mkdir("folder")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("socket")
    places = {"a pipe": "pipe", "a folder": "folder", "a socket": "socket", "a device": "/dev/zero"}
    for place in places.values():
        os.symlink(os.path.abspath(place), f"link-{os.path.basename(place)}")
    return places


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a socket", "a device"])
def test_what_is_no_regular_file_is_named_and_never_waited_for(odd, kind):
    for path in (odd[kind], f"link-{os.path.basename(odd[kind])}"):
        assert kind_of(path) == kind
        with pytest.raises(ValueError, match=f"{path} is {kind}; only regular files are read"):
            read_plain(path)
        with pytest.raises(ValueError, match=f"is {kind}, not a regular file"):
            is_there(path)


def test_an_optional_file_is_absent_only_where_nothing_has_its_name(tmp_path):
    assert not is_there(tmp_path / "none") and kind_of(tmp_path / "none") == NOTHING
    (tmp_path / "file").touch()
    assert is_there(tmp_path / "file") and kind_of(tmp_path / "file") == FILE
    (tmp_path / "link").symlink_to("gone")
    assert kind_of(tmp_path / "link") == BROKEN_LINK
    with pytest.raises(ValueError, match="link is a broken link"):
        is_there(tmp_path / "link")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="circle"):
        is_there(tmp_path / "circle")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_entered_does_not_hide_a_file(tmp_path):
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut/file").touch()
    (tmp_path / "shut").chmod(0)
    try:
        with pytest.raises(PermissionError):
            is_there(tmp_path / "shut/file")
    finally:
        (tmp_path / "shut").chmod(0o700)


def test_a_file_above_the_limit_is_refused_and_one_at_the_limit_is_read(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(100)))
    assert read_plain(tmp_path / "file", 100) == bytes(range(100))
    with pytest.raises(ValueError, match="file has 100 bytes, the limit is 99"):
        read_plain(tmp_path / "file", 99)
    (tmp_path / "empty").touch()
    assert read_plain(tmp_path / "empty") == b""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux has such files")
def test_the_limit_holds_where_the_size_says_nothing():
    assert os.stat("/proc/self/status").st_size == 0
    assert b"VmPeak" in read_plain("/proc/self/status", 100_000)
    with pytest.raises(ValueError, match="more than 10 bytes, the limit is 10"):
        read_plain("/proc/self/status", 10)


def test_text_has_lines_with_numbers_whatever_ends_them(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfa.jpg\r\n\r\n  b \x0c c.jpg \n")
    assert list(text_lines(path)) == [(1, "a.jpg"), (3, "b \x0c c.jpg")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a\nb\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"a\nb\xe9\n", "line 2: byte 0xe9 is not UTF-8;"),
        (b"a\nb\n\0\0", "line 3: zero bytes are not text;"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(tmp_path, data, message):
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / "list.txt")


def test_a_line_without_end_is_refused_with_its_number(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\n" + "x" * 10_000_000)
    with pytest.raises(ValueError, match="line 2 has 10,000,000 characters, the limit is 65,536"):
        list(text_lines(tmp_path / "list.txt"))
