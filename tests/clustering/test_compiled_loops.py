"""Compiled loops are kept where they can be; a cache is never a condition."""

import importlib.util
from pathlib import Path

import numba
import pytest

from pclhd_jax.clustering import compiled_loops

SOURCE = """
from pclhd_jax.clustering.compiled_loops import compiled

@compiled(nogil=True)
def twice(x):
    return 2 * x
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A new start of a program that has one compiled loop."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "loops.py"
    source.write_text(SOURCE)

    def start():
        spec = importlib.util.spec_from_file_location("loops", source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.twice

    return start


def hits(loop):
    return sum(loop.stats.cache_hits.values())


def test_a_loop_is_compiled_once_and_anew_when_its_source_changes(start, tmp_path):
    assert start()(21) == 42
    loop = start()
    assert loop(21) == 42 and hits(loop) == 1
    (tmp_path / "loops.py").write_text(SOURCE.replace("2 * x", "3 * x"))
    loop = start()
    assert loop(21) == 63 and hits(loop) == 0


DAMAGE = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "other": lambda data: b"\xff" * 300,
    "flipped": lambda data: data[:-200] + bytes([data[-200] ^ 1]) + data[-199:],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_cache_file_is_compiled_anew_and_mended(start, tmp_path, kind, damage):
    start()(21)
    (path,) = (tmp_path / "cache").rglob(f"*.{kind}")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    loop = start()
    assert loop(21) == 42
    if kind == "nbc" or damage != "flipped":  # a flipped bit of the index may be in its padding
        assert hits(loop) == 0
    loop = start()
    assert loop(21) == 42 and hits(loop) == 1


def test_without_a_place_to_write_a_loop_works(start, tmp_path, monkeypatch):
    (tmp_path / "cache").touch()  # a file, where the folder should be
    assert start()(21) == 42
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiled_loops, "cache_folder", lambda name: None)
    assert start()(21) == 42
    assert not list(tmp_path.rglob("*.nbi"))


def test_no_other_file_asks_numba_for_its_own_cache():
    root = Path(compiled_loops.__file__).parents[1]
    users = [p.name for p in root.rglob("*.py") if "njit(" in p.read_text()]
    assert users == ["compiled_loops.py"]
