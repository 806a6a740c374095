"""Caches: in the home folder or where XDG_CACHE_HOME says; without a place, one line and none."""

import os
import warnings

import pytest

from pclhd_jax.system import caches
from pclhd_jax.system.caches import cache_folder, keep_compiled_programs


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(caches, "_TOLD", [])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(caches.COMPILED, "")


def test_a_cache_lies_where_the_standard_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("loops") == tmp_path / "home/.cache/pclhd_jax/loops"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored
    assert cache_folder("loops") == tmp_path / "home/.cache/pclhd_jax/loops"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("loops") == tmp_path / "xdg/pclhd_jax/loops"
    assert cache_folder("loops").is_dir()


def test_without_a_place_there_is_no_cache_and_one_line_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder("loops") is None and cache_folder("compiled") is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "no cache" in line and "XDG_CACHE_HOME=FOLDER" in line


def test_without_a_home_no_folder_named_tilde_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without HOME and passwd
    assert cache_folder("loops") is None
    assert list(tmp_path.iterdir()) == []


def test_jax_keeps_programs_in_the_given_folder_if_it_can_be_written(tmp_path, monkeypatch, capsys):
    def kept(given):
        if given is None:
            monkeypatch.delenv(caches.COMPILED, raising=False)
        else:
            monkeypatch.setenv(caches.COMPILED, given)
        keep_compiled_programs()
        return os.environ.get(caches.COMPILED)

    monkeypatch.setenv("HOME", str(tmp_path))
    assert kept(str(tmp_path / "mine")) == str(tmp_path / "mine")
    assert kept("~/mine") == str(tmp_path / "mine")
    assert kept("gs://bucket/x") == "gs://bucket/x"
    assert kept("") is None
    assert kept(None) == str(tmp_path / ".cache/pclhd_jax/compiled")
    assert capsys.readouterr().err == ""
    (tmp_path / "file").touch()
    assert kept(str(tmp_path / "file")) is None
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_damaged_programs_of_jax_are_reported_once_and_other_warnings_stay(capsys):
    keep_compiled_programs()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        keep_compiled_programs()
        for name in ("jit_a", "jit_b"):
            warnings.warn(f"Error reading {caches.TROUBLE} for '{name}': cut short", stacklevel=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert "jit_a" in line and "compiled again" in line
