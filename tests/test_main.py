"""The command line: errors in one line that says what would be right."""

import signal
import subprocess
import sys

import pytest
from absl.testing import flagsaver

from pclhd_jax import main
from pclhd_jax.main import default_workdir
from pclhd_jax.processes.signals import Interrupted
from pclhd_jax.settings.load import load_config
from pclhd_jax.training import train


def run_main(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pclhd_jax.main", *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["--config=configs/synthetic.py"]),
        (["--config=configs/none.py"], ["configs/none.py", "(configs/)"]),
        (["--config=configs/synthetic.py:best"], ["'best'", "FILE:paper", "FILE:released"]),
        (
            ["--config=configs/synthetic.py", "--config.cluster.epss=0.5"],
            ["config.cluster has no 'epss'", "eps, joint_k1"],
        ),
        (
            ["--config=configs/synthetic.py:released", "--config.seed.x=1"],
            ["config.seed is one value (0)"],
        ),
        (["--config=configs/synthetic.py", "--config.cluster.eps=wide"], ["eps=wide", "float"]),
        (["--config=configs/synthetic.py", "--confg=1"], ["confg"]),
        (["--config=configs/synthetic.py", "epochs=3"], ["epochs=3", "--config.key=value"]),
        (
            ["--config=configs/sysu.py", "--config.data.source=nowhere"],
            ["nowhere", "exp/", "cam1/ to cam6/"],
        ),
    ],
)
def test_a_mistyped_command_ends_in_one_line_that_helps(arguments, parts, tmp_path):
    if any("data.source" in a for a in arguments):
        arguments = [*arguments, f"--workdir={tmp_path / 'run'}"]
    result = run_main(*arguments)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    last_line = result.stderr.strip().splitlines()[-1]
    for part in parts:
        assert part in last_line


def test_help_teaches_the_command():
    result = run_main("--help")
    assert "--config=configs/synthetic.py" in result.stdout
    assert "released" in result.stdout


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_was_asked_to_stop_ends_with_the_code_of_the_signal(
    signum, code, monkeypatch, capsys
):
    def interrupted(config, workdir, *, accept_changes, profile):
        assert profile == "traces"
        raise Interrupted(signum)

    monkeypatch.setattr(train, "train_and_evaluate", interrupted)
    monkeypatch.setattr(main.faulthandler, "enable", lambda: None)  # pytest's stays
    with flagsaver.flagsaver(), pytest.raises(SystemExit) as stop:
        main.main(main.parse_flags(["main", "--config=configs/synthetic.py", "--profile=traces"]))
    assert stop.value.code == code
    assert "the same command goes on" in capsys.readouterr().err


def test_an_evaluation_refuses_to_trace_steps(monkeypatch):
    monkeypatch.setattr(main.faulthandler, "enable", lambda: None)
    arguments = ["main", "--config=configs/synthetic.py", "--mode=eval", "--profile=traces"]
    with flagsaver.flagsaver(), pytest.raises(SystemExit, match="with --mode=eval there are none"):
        main.main(main.parse_flags(arguments))


def test_a_run_has_a_workdir_of_its_experiment_recipe_and_numbered_split():
    config = load_config("configs/regdb.py:released")
    config.trial = 7
    assert default_workdir("regdb", config) == "runs/regdb-released-7"
    assert default_workdir("sysu", load_config("configs/sysu.py")) == "runs/sysu-paper"
    config.data.layout = "tokyo"  # refused later, with what it must be
    assert default_workdir("x", config) == "runs/x-released"
