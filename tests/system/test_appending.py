import os

import pytest

from pclhd_jax.system.appending import append_text

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other links, and no pipes by name")


def test_text_goes_behind_what_is_there(tmp_path):
    for text in ("a\n", "b\n"):
        append_text(tmp_path / "x", text)
    assert (tmp_path / "x").read_text() == "a\nb\n"


@posix
def test_nothing_is_written_through_a_link_or_into_a_pipe(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "dangling", "pipe"):
        with pytest.raises((OSError, ValueError)):
            append_text(tmp_path / name, "x")
    assert (tmp_path / "victim").read_text() == "precious" and not (tmp_path / "nothing").exists()


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    append_text(tmp_path / "x", "a\n")
    real = os.write

    def half(descriptor, data):
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:4])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        append_text(tmp_path / "x", "long line\n")
    monkeypatch.undo()
    append_text(tmp_path / "x", "b\n")
    assert (tmp_path / "x").read_text() == "a\nb\n"
