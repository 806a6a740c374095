import os

from pclhd_jax.system.private_files import make_private_folder, open_private


def mode(path):
    return os.stat(path).st_mode & 0o777


def test_files_are_private_from_the_start_and_stay_so(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    old = tmp_path / "old"
    old.write_text("x" * 99)
    old.chmod(0o666)
    for path in (tmp_path / "new", old):
        with open_private(path, "w") as file:
            assert mode(path) == 0o600
            file.write("y")
        assert path.read_text() == "y" and mode(path) == 0o600


def test_a_group_may_read_where_the_user_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PCLHD_GROUP_READABLE", "1")
    with open_private(tmp_path / "new"):
        pass
    assert mode(tmp_path / "new") == 0o640


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
