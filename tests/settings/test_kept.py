"""A workdir is enough: its settings are taken where no others are named."""

import json
import sys
from dataclasses import dataclass

import pytest
from absl.testing import flagsaver

from configs import synthetic, sysu
from pclhd_jax import main
from pclhd_jax.settings.differences import differences
from pclhd_jax.settings.kept import (
    add_later_settings,
    config_of_run,
    read_config,
    read_kept_config,
    read_settings,
    settings_of_kept,
)
from pclhd_jax.settings.limits import number
from pclhd_jax.settings.sections import settings_of


@pytest.fixture
def run(tmp_path):
    """A workdir that holds nothing but the settings of a run."""
    config = synthetic.get_config("released")
    config.seed = 7
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "config.json").write_text(json.dumps(settings_of(config).to_dict()))
    return tmp_path / "R"


def taken(*arguments):
    argv = ["main", *map(str, arguments)]
    with flagsaver.flagsaver(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", argv)  # overrides are read from there
        main.parse_flags(argv)
        return main.settings_and_workdir()


@dataclass(frozen=True)
class Newer:
    strength: float = number(0, before=0.25)


@dataclass(frozen=True)
class SomeNewer:
    section: Newer
    old: int = number(0)
    newer: int = number(0, before=3)


def test_settings_and_sections_that_came_later_get_their_values_from_before():
    older = {"old": 1}
    add_later_settings(older, SomeNewer)
    assert older == {"old": 1, "newer": 3, "section": {"strength": 0.25}}
    same_age = {"old": 1, "newer": 7, "section": {"strength": 1.0}}
    add_later_settings(same_age, SomeNewer)
    assert same_age == {"old": 1, "newer": 7, "section": {"strength": 1.0}}
    damaged = {"section": 5}  # for the checks of every value, which name it
    add_later_settings(damaged, SomeNewer)
    assert damaged == {"section": 5, "newer": 3}


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_setting_that_is_gone_hinders_no_reading_and_is_a_difference_where_it_did_something(
    run, weight
):
    config = json.loads((run / "config.json").read_text())
    config["loss"]["align_weight"] = weight
    (run / "config.json").write_text(json.dumps(config))
    assert settings_of(config_of_run(run)) == read_settings(run)
    assert settings_of_kept(read_config(run)).recipe == "released"
    del config["loss"]["align_weight"]
    found = differences(read_kept_config(run), config)
    assert found == (
        [f"config.loss.align_weight: there {weight}, here '(absent)'"] if weight else []
    )


@pytest.mark.parametrize("place", ["", "checkpoints/12"])
def test_a_workdir_alone_brings_its_settings(run, place):
    config, workdir = taken(f"--workdir={run / place}")
    assert config.seed == 7 and config.recipe == "released"
    assert settings_of(config) == settings_of(json.loads((run / "config.json").read_text()))
    assert workdir == str(run / place)


def test_a_config_beside_the_workdir_goes_first(run):
    config = taken("--config=configs/sysu.py", f"--workdir={run}")[0]
    assert config.to_dict() == sysu.get_config("paper").to_dict()


def test_config_json_is_an_experiment_file_with_overrides(run):
    config, workdir = taken(
        f"--config={run}/config.json", "--config.seed=2", "--config.cluster.eps=0.4", "--workdir=x"
    )
    assert (config.seed, config.cluster.eps, config.recipe, workdir) == (2, 0.4, "released", "x")
    assert config.loss.to_dict() == synthetic.get_config("released").loss.to_dict()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workdir={}/none"], "none has no config.json.*--config="),
        (["--workdir={}", "--config.seed=2"], "--config=RUN/config.json"),
        (["--config={}/config.json"], "name a --workdir too"),
        (["--config={}/none.json", "--workdir=x"], "no file .*none.json"),
        (["--config={}/config.json:paper", "--workdir=x"], "leave out :paper"),
        (["--config={}/config.json", "--config.sed=2"], "config has no 'sed'"),
        ([], "or the --workdir of a run"),
    ],
)
def test_what_cannot_be_used_is_one_line(run, arguments, words):
    with pytest.raises((SystemExit, ValueError), match=words) as caught:
        taken(*(argument.format(run) for argument in arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"recipe": "paper"}', '{"seed": 1, "seed": 2}'])
def test_settings_that_are_damaged_are_named(run, text):
    (run / "config.json").write_text(text)
    for argument in (f"--workdir={run}", f"--config={run}/config.json"):
        with pytest.raises((SystemExit, ValueError), match=r"config\.json") as caught:
            taken(argument, *(["--workdir=x"] if "--config" in argument else []))
        assert "\n" not in str(caught.value)


def test_a_whole_number_that_a_hand_wrote_for_a_float_is_the_same_setting():
    by_hand = {"loss": {"own_margin": 0, "stage2_weights": [0, 1, 1]}, "joint": True}
    written = {"loss": {"own_margin": 0.0, "stage2_weights": (0.0, 1.0, 1.0)}, "joint": True}
    assert not differences(by_hand, written)
    assert len(differences(by_hand, written | {"joint": 1})) == 1
    assert len(differences(by_hand, {"loss": {"own_margin": 0.1}, "joint": True})) == 2
