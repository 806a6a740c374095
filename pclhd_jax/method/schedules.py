"""All that changes by epoch: weights of the losses, direction of the cross-modality term, rate.

What goes into a step is an array, so that no epoch compiles anew.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pclhd_jax.method.losses import LossWeights
from pclhd_jax.settings.schedule import When
from pclhd_jax.settings.sections import Loss


class EpochInputs(NamedTuple):
    """What every step of an epoch is given."""

    weights: LossWeights
    # True on odd epochs of stage 2: infrared features meet the visible bank. False: visible
    # features meet the infrared bank. Stage 1 has no such term.
    infrared_crosses: jax.Array


def epoch_inputs(when: When, loss: Loss) -> EpochInputs:
    return EpochInputs(progressive_weights(when, loss), infrared_crosses(when.epoch))


def progressive_weights(when: When, loss: Loss) -> LossWeights:
    """The epoch's (centroid, hard, dynamic) weights: from commonality to divergence and variety.

    Stage 1 keeps `stage1_weights`. Stage 2 moves from there to `stage2_weights`, whose hard weight
    is taken times `balance` (the paper's lambda) and whose dynamic weight times 1 - `balance`, as
    `ramp` goes.
    """
    gone = 0.0
    if when.stage == 2:
        gone = ramp(when.epoch, ramp_epochs=loss.ramp_epochs, shape=loss.ramp_shape)
    centroid, hard, dynamic = loss.stage2_weights
    end = centroid, loss.balance * hard, (1 - loss.balance) * dynamic
    return LossWeights(
        *(
            jnp.float32((1 - gone) * before + gone * after)
            for before, after in zip(loss.stage1_weights, end, strict=True)
        )
    )


def ramp(epoch: int, *, ramp_epochs: int, shape: str) -> float:
    """How much of the way stage 2's `epoch` (0-based) has gone, 0..1.

    'linear': (epoch + 1) / (ramp_epochs + 1), so that 0 ramp epochs are the plain switch and the
    first epoch is never all stage 1. 'cosine': the same ends, slow at both.
    """
    gone = min(1.0, (epoch + 1) / (ramp_epochs + 1))
    return gone if shape == "linear" else (1 - math.cos(math.pi * gone)) / 2


def infrared_crosses(epoch: int) -> jax.Array:
    """Whether infrared features meet the visible bank in stage 2's `epoch` (0-based): odd ones."""
    return jnp.asarray(epoch % 2 == 1)


def learning_rate_at(epoch: int, *, start: float, decay_every_epochs: int, factor: float) -> float:
    """The rate of a stage's `epoch` (0-based): `start`, times `factor` every few epochs."""
    return start * factor ** (epoch // decay_every_epochs)
