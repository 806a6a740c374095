import pytest

from pclhd_jax.system.paths import given_path


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/her")
    assert given_path("~/x") == "/home/her/x"
    assert given_path("~") == "/home/her"
    assert given_path("a/~/b") == "a/~/b"
    assert given_path("") == ""


def test_a_home_folder_that_nobody_knows_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="~nobody-of-this-name"):
        given_path("~nobody-of-this-name/x")
    (tmp_path / "~backup.jpg").touch()
    assert given_path("~backup.jpg") == "~backup.jpg"
