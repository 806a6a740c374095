"""`pclhd`: no command without a verb, no verb without a command; experiments from any folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import pclhd_jax
from pclhd_jax.commands import verbs
from pclhd_jax.settings.experiment_files import find_experiment, installed_experiments

ROOT = Path(pclhd_jax.__file__).parents[1]


def run_pclhd(*arguments, folder):
    """As the console script: nothing of the current folder is on the path."""
    code = (
        f"import sys; sys.path[0] = {str(ROOT)!r}\n"
        f"from pclhd_jax.commands.verbs import main; main({list(arguments)!r})"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def runnable_modules():
    """What `python -m` runs."""
    files = [path for room in ("pclhd_jax", "data_prep") for path in (ROOT / room).rglob("*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files
        if 'if __name__ == "__main__":' in path.read_text()
        and path.name not in ("verbs.py", "__main__.py")
    }


def test_every_runnable_module_has_a_verb_and_every_verb_that_is_listed_a_module():
    assert {command.module for command in verbs.COMMANDS.values()} == runnable_modules()


def test_flags_are_spelt_with_underscores_as_settings_are():
    files = [
        path
        for room in ("pclhd_jax", "data_prep", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
    ]
    flags = [flag for path in files for flag in re.findall(r'"--([\w-]+)"', path.read_text())]
    assert "camera_pattern" in flags and not [flag for flag in flags if "-" in flag]


def test_help_lists_each_verb_with_a_line_and_imports_none(tmp_path):
    code = (
        "import sys; from pclhd_jax.commands.verbs import main; main([])\n"
        "assert not {'jax', 'numpy', 'absl', 'pclhd_jax.main'} & set(sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    listed = dict(re.findall(r"^  (\w+)  +(\w.+)$", told.stdout, re.M))
    assert list(listed) == list(verbs.COMMANDS)


def test_evaluate_is_a_run_that_only_scores(tmp_path):
    told = run_pclhd("evaluate", "--config=synthetic", "--profile=traces", folder=tmp_path)
    assert "--profile traces training steps; with --mode=eval there are none" in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_that_is_not_here_is_the_installed_one_and_said_so(tmp_path):
    told = run_pclhd("train", "--config=sysu:best", folder=tmp_path)
    assert f"--config=sysu:best: not here; taking {ROOT / 'configs/sysu.py'}" in told.stdout
    assert "no recipe 'best'" in told.stderr and "Traceback" not in told.stderr
    told = run_pclhd("train", "--help", folder=tmp_path)
    assert "Train and evaluate PCLHD." in told.stdout and "--workdir" in told.stdout


def test_an_unknown_verb_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit, match="no verb 'fit'; there are train, evaluate, "):
        verbs.main(["fit"])
    verbs.main(["--version"])
    assert capsys.readouterr().out == f"pclhd_jax {pclhd_jax.__version__}\n"


def test_an_experiment_of_this_folder_goes_first_with_what_it_imports(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/__init__.py").touch()
    (tmp_path / "configs/common.py").write_text("raise ValueError('the common of this folder')\n")
    (tmp_path / "configs/sysu.py").write_text("from configs import common\n")
    told = run_pclhd("train", "--config=sysu", folder=tmp_path)
    assert "not here" not in told.stdout and "the common of this folder" in told.stderr


def test_names_stand_for_files_as_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    installed = str(ROOT / "configs/regdb.py")
    for name in ("regdb", "configs/regdb.py"):
        assert find_experiment(f"{name}:paper").value == f"{installed}:paper"
    # Neither a file of the folder nor one of ours: as it was given, and absl tells.
    for name in ("regdb.py", "other/regdb.py", "configs/none.py", "none", "configs/regdb"):
        assert find_experiment(name) == (name, "")
    (tmp_path / "regdb").touch()
    (tmp_path / "mine.py").touch()
    assert find_experiment("regdb").value == installed
    assert find_experiment("mine.py:released") == ("mine.py:released", "")
    assert "regdb" in installed_experiments() and "common" not in installed_experiments()


def test_the_version_is_the_changelogs_and_the_citations():
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    cited = re.search(r"^version: (\S+)", (ROOT / "CITATION.cff").read_text(), re.M)[1]
    assert pclhd_jax.__version__ == newest == cited
