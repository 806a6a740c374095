import os

import pytest

from pclhd_jax.system.private_files import make_private_folder
from pclhd_jax.system.whole_files import whole_file


def mode(path):
    return os.stat(path).st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(("group", "rights"), [("", 0o600), ("1", 0o640)])
def test_files_are_private_from_the_start_whatever_the_umask(
    tmp_path, monkeypatch, group, rights, umask
):
    monkeypatch.setenv("PCLHD_GROUP_READABLE", group)
    (tmp_path / "old").write_text("x" * 99)
    (tmp_path / "old").chmod(0o666)
    before = os.umask(umask)
    try:
        for name in ("new", "old"):
            with whole_file(tmp_path / name, "w", private=True) as file:
                assert mode(file.name) == rights
                file.write("y")
            assert (tmp_path / name).read_text() == "y" and mode(tmp_path / name) == rights
    finally:
        os.umask(before)


def test_a_drive_that_keeps_no_rights_is_no_reason_to_stop(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setenv("PCLHD_GROUP_READABLE", "1")
    for call in ("fchmod", "chmod"):
        monkeypatch.setattr(os, call, refuse)
    make_private_folder(tmp_path / "a")
    with whole_file(tmp_path / "a" / "b", private=True) as file:
        file.write(b"1")
    assert (tmp_path / "a" / "b").read_bytes() == b"1"


def test_folders_are_private_unless_they_are_there_already(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    (tmp_path / "old").mkdir()
    (tmp_path / "old").chmod(0o755)
    for name, expected in {"old": 0o755, "new": 0o700, "a/b": 0o700}.items():
        make_private_folder(tmp_path / name)
        assert mode(tmp_path / name) == expected
    monkeypatch.setenv("PCLHD_GROUP_READABLE", "1")
    make_private_folder(tmp_path / "group")
    assert mode(tmp_path / "group") == 0o750
