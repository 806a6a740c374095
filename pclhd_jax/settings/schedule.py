"""The epochs of a run, in their order."""

from typing import Any, NamedTuple

from pclhd_jax.settings.sections import STAGES


class When(NamedTuple):
    """An epoch of a run."""

    stage: int
    epoch: int  # in the stage, from 0


def schedule(config: Any) -> list[When]:
    """Every epoch of the run."""
    return [When(s, e) for s in STAGES for e in range(getattr(config, f"stage{s}").epochs)]


def epochs_before(config: Any, when: When) -> int:
    return schedule(config).index(when)


def title(config: Any, when: When) -> str:
    """For people: stage 1 epoch 3/20."""
    epochs = getattr(config, f"stage{when.stage}").epochs
    return f"stage {when.stage} epoch {when.epoch + 1}/{epochs}"
