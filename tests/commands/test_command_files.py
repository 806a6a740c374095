"""Every command file: by -m, as a file, in any folder, with -OO; its --help and its paths."""

import importlib.metadata
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import pclhd_jax
from pclhd_jax.commands import verbs
from pclhd_jax.main import GivenPath
from pclhd_jax.settings.sections import settings_of
from tests.helpers.tiny import tiny_config

ROOT = Path(pclhd_jax.__file__).parents[1]
ROOMS = ("pclhd_jax", "pclhd_jax/commands", "data_prep", "benchmarks")
FILES = sorted(
    path
    for room in ROOMS
    for path in (ROOT / room).glob("*.py")
    if '\nif __name__ == "__main__":' in path.read_text()
)
SLOW = ("benchmarks",)  # import JAX: by -m alone


def helped(command, folder):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *command, "--help"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_no_file_beside_a_command_has_the_name_of_a_module_of_others():
    others = set(sys.stdlib_module_names) | importlib.metadata.packages_distributions().keys()
    ours = {p.stem for room in ROOMS for p in (ROOT / room).iterdir() if p.suffix in (".py", "")}
    assert not {name for name in ours & others if not name.startswith("__")}


def test_each_command_file_runs_as_a_file_from_any_folder_and_writes_nothing(tmp_path):
    quick = [path for path in FILES if path.parent.name not in SLOW]
    assert len(quick) >= 13
    with ThreadPoolExecutor(2) as pool:
        for path, told in zip(
            quick, pool.map(lambda p: helped([str(p)], tmp_path), quick), strict=True
        ):
            assert told.returncode == 0 and "Traceback" not in told.stderr, (path, told.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["-OO"]])
def test_help_of_each_verb_helps_and_names_only_what_is_there(options, tmp_path):
    for verb in verbs.COMMANDS:
        told = helped([*options, str(ROOT / "pclhd_jax/__main__.py"), verb], tmp_path)
        assert told.returncode == 0 and told.stderr == "", (verb, told.stderr)
        assert "traceback" in told.stdout
        assert not re.findall(r"docs/\w+|benchmarks[./]\w+", told.stdout)
        for name in re.findall(r"configs/\w+\.py", told.stdout):
            assert (ROOT / name).is_file()
    assert list(tmp_path.iterdir()) == []


def test_help_of_each_benchmark_runs_nothing(tmp_path):
    there = [path for path in FILES if path.parent.name == "benchmarks"]
    with ThreadPoolExecutor(2) as pool:
        every = pool.map(lambda p: helped([str(p)], tmp_path), there)
        for path, told in zip(there, every, strict=True):
            assert told.returncode == 0 and "help" in told.stdout, (path, told.stderr)
    assert list(tmp_path.iterdir()) == []


# A flag or an argument whose value is a path, by its name.
PATHS = {"out", "checkpoint", "runs", "clusters", "index", "queries", "inputs", "source", "root"}
PATHS |= {"data_dir", "gallery_root", "pictures_root", "report", "json", "mapped", "folder"}


def test_each_flag_that_takes_a_path_expands_the_home_folder():
    seen = set()
    for path in FILES:
        text = path.read_text()
        for call in re.findall(r"add(?:_argument)?\(\s*(\"[^)]*?)\n?\s*\)\n", text):
            name = call.split('"')[1].lstrip("-")
            if name in PATHS and "store_true" not in call and "type=int" not in call:
                seen.add(name)
                assert re.search(r"type=(path_flag|file_flag)", call), (path.name, call)
        assert "type=Path" not in text, path.name
    assert {"out", "checkpoint", "source", "data_dir", "report"} <= seen


def test_each_setting_and_flag_of_a_run_that_is_a_path_expands_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = tiny_config("~/set")
    config.init.agw = "~/weights.pth"
    settings = settings_of(config)
    assert settings.data.source == "/home/me/set"
    assert settings.data.prepared == "/home/me/set-prepared"
    assert settings.data.cache == "/home/me/set-cache"
    assert settings.init.agw == "/home/me/weights.pth" and settings.init.imagenet == ""
    assert GivenPath().parse("~/run") == "/home/me/run"
    config.data.source = "~nobody-has-this-name/set"
    with pytest.raises(ValueError, match=r"config\.data\.source: .* is not known"):
        settings_of(config)
