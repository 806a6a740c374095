from pathlib import Path

import numpy as np
import pytest

from pclhd_jax.system.paths import given_path, several


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


def test_one_path_is_a_list_of_one_and_any_iterable_is_several():
    for given in ("a", Path("a"), b"a"):
        assert several(given) == ["a"]
    assert several(Path(name) for name in "ab") == ["a", "b"]
    with pytest.raises(ValueError, match="no path is given; give at least one"):
        several(Path("none").glob("*"))


@pytest.mark.parametrize("given", [None, 3, np.zeros((50, 50))])
def test_what_is_no_path_is_shown_with_the_remedy(given):
    with pytest.raises(TypeError, match=r"^.{,60} is no path; give a text or a pathlib.Path"):
        given_path(given)
    with pytest.raises(TypeError, match=r"is no path; give a text or a pathlib.Path"):
        several(given)
