"""What the terms of a step and the updates of the banks are given."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pclhd_jax.batches.batch import Batch
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.schedules import EpochInputs
from pclhd_jax.settings.sections import Loss, Prototypes


class TermSettings(NamedTuple):
    """The settings that stay the same during a run."""

    loss: Loss
    prototypes: Prototypes


class Banks(NamedTuple):
    visible: PrototypeBank
    infrared: PrototypeBank
    joint: PrototypeBank | None = None


class Encoded(NamedTuple):
    """Unit features of a batch; `visible` holds both views, the exchanged ones second."""

    visible_BD: jax.Array
    infrared_BD: jax.Array
    batch_stats: Any


class StepData(NamedTuple):
    """All that the terms of one optimiser step read besides the features and the settings."""

    banks: Banks
    batch: Batch
    inputs: EpochInputs
    key: jax.Array | None = None  # of random draws in the terms


def both_views(labels_B: jax.Array) -> jax.Array:
    """Labels of the visible pictures, for their two views."""
    return jnp.concatenate([labels_B, labels_B])
