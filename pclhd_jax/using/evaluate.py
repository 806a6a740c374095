"""Evaluate without training: the encoder of a weight file, a workdir or one checkpoint of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from flax.traverse_util import unflatten_dict

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.protocol import Protocol
from pclhd_jax.processes.devices import check_jax
from pclhd_jax.processes.exchange import from_first, same_as_first
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.reports.lines import scores_of
from pclhd_jax.reports.score_table import format_table
from pclhd_jax.saving.checkpoint_name import RunCheckpoint, WeightFile, parse_checkpoint
from pclhd_jax.saving.workdir import read_pictures
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.system.device_memory import SMALLER_FEATURES, fits
from pclhd_jax.system.paths import given_path
from pclhd_jax.training.experiment import Run, start_evaluation, starting_weights
from pclhd_jax.training.scores import scores, test_features
from pclhd_jax.using.encoder import Encoder, load_encoder


@fits("the evaluation", SMALLER_FEATURES)
def evaluate_only(config: Any, workdir: str | Path) -> dict[str, dict[str, Any]]:
    """Score config.init.agw, or where that is empty what `workdir` names.

    workdir: a workdir (its newest sound checkpoint), one checkpoint of it or a weight file.
    Prints each protocol with its counts, then the table; writes nothing.
    Returns the scores by protocol name, as a training record holds them.

    Raises:
      ValueError: no encoder to score, or one that does not fit the settings.
      FileNotFoundError: no such weight file, no such data.
    """
    config, workdir = settings_of(config), given_path(workdir)
    check_jax()
    variables, title = find_encoder(config, workdir)
    run = start_evaluation(config)
    if not run.pictures.protocols:
        raise ValueError(
            f"nobody's identity is known in {config.data.source}: nothing to score; add an "
            "identities.csv (docs/data.md)"
        )
    if config.data.layout == "folders" and not config.init.agw:
        named = from_first(parse_checkpoint, workdir)
        if isinstance(named, RunCheckpoint):
            warn_of_trained_pictures(run, named.workdir)
    for protocol in run.pictures.protocols:
        say(describe(protocol))
    test_z = test_features(run, replicate(run.mesh, same_as_first(variables)))
    by_protocol = scores(run.pictures.protocols, test_z)
    say("\n" + format_table(scores_of({"evaluation": by_protocol}), title))
    return by_protocol


def find_encoder(config: Any, workdir: str | Path) -> tuple[dict[str, Any], str]:
    """The variables to score, and a line that says whose they are."""
    if config.init.agw:
        return unflatten_dict(starting_weights(config)), f"Encoder of {config.init.agw}"
    try:
        named = from_first(parse_checkpoint, workdir)
    except (FileNotFoundError, ValueError) as error:
        only_a_start = (
            " (ImageNet weights are only a start for training)" if config.init.imagenet else ""
        )
        raise ValueError(
            f"nothing to evaluate{only_a_start}: no checkpoint in {workdir} and config.init.agw is "
            "empty; give --config.init.agw=FILE, or the --workdir of a run or of a checkpoint"
        ) from error
    if isinstance(named, WeightFile):
        of_file = replace(config, init=replace(config.init, agw=str(workdir), imagenet=""))
        return unflatten_dict(starting_weights(of_file)), f"Encoder of {workdir}"
    encoder = load_encoder(workdir)
    check_fits(encoder, config, workdir)
    return encoder.variables, encoder.origin


def warn_of_trained_pictures(run: Run, workdir: str | Path) -> None:
    """Own pictures: an identities.csv that came after training names pictures it has seen."""
    kept = read_pictures(workdir)
    train = ("train_visible", "train_infrared")
    if any(kept.get(split) != run.pictures.digests[split] for split in train):
        say(
            f"warning: {workdir} was trained on other lists than {run.config.data.source} gives "
            "now; pictures that are scored may have been trained on"
        )


def check_fits(encoder: Encoder, config: Any, workdir: str | Path) -> None:
    """Raises ValueError for another encoder than the config's, or one that saw the test people."""
    there = encoder.settings
    for name in ("model.depth", "model.width", "model.dtype", "data.height", "data.width"):
        section, key = name.split(".")
        saved, given = (getattr(getattr(x, section), key) for x in (there, config))
        if saved != given:
            raise ValueError(
                f"{workdir} holds an encoder with config.{name} {saved}, this config says {given}; "
                f"give --config.{name}={saved}"
            )
    splits, layout = (there.trial, config.trial), config.data.layout
    numbered = there.data.layout == layout and layout_named(layout).trials
    if numbered and splits[0] != splits[1]:
        raise ValueError(
            f"{workdir} was trained on {layout_named(layout).title}'s split {splits[0]}, whose "
            "training people are among "
            f"the test people of split {splits[1]}; give --config.trial={splits[0]}"
        )


def describe(protocol: Protocol) -> str:
    """One line: who queries whom, and how many they are."""
    sizes = sorted({len(trial) for trial in protocol.trials})
    gallery = "-".join(f"{size:,}" for size in {sizes[0]: 0, sizes[-1]: 0})
    other = "visible" if protocol.query_modality == "infrared" else "infrared"
    trials = len(protocol.trials)
    return (
        f"{protocol.name}: {len(protocol.query.paths):,} {protocol.query_modality} queries, "
        f"{gallery} {other} pictures in the gallery, {trials} trial{'s' if trials > 1 else ''}"
    )
