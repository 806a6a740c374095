"""From a study's variant and a seed to a run: its settings, its name, its command."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from benchmarks.ablation_table import Job
from benchmarks.studies import AS_PAPER, STAGE2_ONLY, Overrides
from pclhd_jax.settings.experiment_files import plain_config
from pclhd_jax.settings.sections import Settings, settings_of

# What a run of a study is given by the program itself.
OWN_SETTINGS = ("seed", "keep_features", "keep_checkpoints", "evaluation.every_epochs")


class Variant(NamedTuple):
    name: str
    overrides: Overrides


def job_of(config: str, recipe: str, variant: Variant, seed: int, out: Path) -> Job:
    experiment = f"{config}:{recipe}"
    plain = plain_config(experiment)
    settings = changed_settings(config, recipe, variant.overrides)
    stage1_epochs, stage2_epochs = settings.stage1.epochs, settings.stage2.epochs
    overrides = resolved(config, variant.overrides) | {
        "seed": seed,
        "keep_features": 0,
        "keep_checkpoints": 1,
        # Scores of an epoch move nothing; the last one of each stage is enough.
        "evaluation.every_epochs": max(1, stage1_epochs),
    }
    stage1 = {name: value for name, value in overrides.items() if name not in STAGE2_ONLY}
    stage1["stage2.epochs"] = 0
    stem = f"{Path(config).stem}-{recipe}-seed{seed}"
    return Job(
        variant.name,
        seed,
        out / f"{stem}-stage1-{settings_hash(experiment, plain, stage1)}",
        out / f"{stem}-{settings_hash(experiment, plain, overrides)}",
        stage1_epochs,
        stage1_epochs + stage2_epochs,
        flags_of(experiment, stage1),
        flags_of(experiment, overrides),
    )


def resolved(config: str, overrides: Overrides) -> Overrides:
    """With the values of the experiment's own `paper` where a study says so."""
    papers = plain_config(f"{config}:paper").to_dict()

    def value(name: str, given: object) -> object:
        if given is not AS_PAPER:
            return given
        found = papers
        for key in name.split("."):
            found = found[key]
        return found

    return {name: value(name, given) for name, given in overrides.items()}


def changed_settings(config: str, recipe: str, overrides: Overrides) -> Settings:
    """Raises ValueError for settings that there are not, or that cannot be."""
    changed = plain_config(f"{config}:{recipe}")
    try:
        changed.update_from_flattened_dict(resolved(config, overrides))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{', '.join(overrides)}: {error}; see configs/common.py") from error
    return settings_of(changed)


def settings_hash(experiment: str, plain: object, overrides: Overrides) -> str:
    """Of every setting's value, so that a changed default names another run."""
    settings = plain.copy_and_resolve_references()
    settings.update_from_flattened_dict(overrides)
    text = json.dumps([Path(experiment).name, settings.to_dict()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def flags_of(experiment: str, overrides: Overrides) -> tuple[str, ...]:
    changed = (f"--config.{name}={value}" for name, value in overrides.items())
    return (f"--config={experiment}", *changed)
