"""The installed program: one name in site-packages, whatever lies in the current folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pclhd_jax

ROOT = Path(pclhd_jax.__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel would put into site-packages."""
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("pclhd_jax", "configs", "data_prep"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "LICENSE"]:
        shutil.copy(path, source)
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, source)
    build = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = source.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(place)
    return place


def run(installed, folder, *words):
    return run_python(installed, folder, "-m", "pclhd_jax", *words)


def run_python(installed, folder, *words):
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_the_wheel_puts_one_name_into_site_packages(installed):
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"pclhd_jax"}
    for room, source in (("", "pclhd_jax"), ("configs", "configs"), ("data_prep", "data_prep")):
        here, there = ROOT / source, installed / "pclhd_jax" / room
        missing = [
            path for path in here.rglob("*.py") if not (there / path.relative_to(here)).is_file()
        ]
        assert not missing


@pytest.mark.parametrize("foreign", [False, True])
def test_other_packages_named_configs_and_data_prep_do_no_harm(installed, foreign, tmp_path):
    if foreign:
        for room in ("configs", "data_prep"):
            (tmp_path / room).mkdir()
            (tmp_path / room / "__init__.py").write_text("raise SystemExit('the foreign one')")
    (tmp_path / "mine.py").write_text((ROOT / "configs/folders.py").read_text())
    for config in ("sysu", "mine.py"):
        told = run(installed, tmp_path, "train", f"--config={config}", "--config.data.source=none")
        assert "no folder at none" in told.stderr, told.stderr
    drawn = ["--out=set", "--train_ids=2", "--val_ids=1", "--test_ids=1", "--shots=1"]
    assert run(installed, tmp_path, "synthetic", *drawn).returncode == 0
    told = run(installed, tmp_path, "check", "sysu", "--source=set", "--allow_partial")
    assert told.returncode == 0, told.stderr
    door = "import pclhd_jax; print(pclhd_jax.load_config('sysu').recipe, pclhd_jax.check)"
    told = run_python(installed, tmp_path, "-c", door)
    assert "paper" in told.stdout and "function check" in told.stdout, told.stderr
