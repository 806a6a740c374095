"""All that changes by epoch: weights of the terms, direction of the cross-modality term, rate.

What goes into a step is an array, so that no epoch compiles anew.
"""

import jax
import jax.numpy as jnp

from pclhd_jax.method.losses import TermWeights


def progressive_weights(
    stage: int, epoch: int, *, stage1: tuple, stage2: tuple, ramp_epochs: int
) -> TermWeights:
    """The epoch's (centroid, hard, dynamic) weights: from commonality to divergence and variety.

    Stage 1 keeps `stage1`. Stage 2 moves from there to `stage2` in a straight line:
    its epoch e (0-based) has gone min(1, (e + 1) / (ramp_epochs + 1)) of the way, so
    that 0 ramp epochs are the plain switch and the first epoch is never all stage 1.
    """
    gone = 0.0 if stage == 1 else min(1.0, (epoch + 1) / (ramp_epochs + 1))
    return TermWeights(
        *(
            jnp.float32((1 - gone) * start + gone * end)
            for start, end in zip(stage1, stage2, strict=True)
        )
    )


def infrared_crosses(epoch: int) -> jax.Array:
    """Whether infrared features meet the visible bank in stage 2's `epoch` (0-based): odd ones."""
    return jnp.asarray(epoch % 2 == 1)


def learning_rate_at(epoch: int, *, start: float, decay_every_epochs: int, factor: float) -> float:
    """The rate of a stage's `epoch` (0-based): `start`, times `factor` every few epochs."""
    return start * factor ** (epoch // decay_every_epochs)
