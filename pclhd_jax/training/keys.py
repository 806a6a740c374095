"""The random keys of an epoch: derived, never stored, so that a resumed run draws the same."""

import jax

from pclhd_jax.settings.schedule import When

# Apart from the training steps, whose keys are (seed, stage, epoch, step).
BANK_KEY = 1_000_000


def epoch_key(seed: int, when: When) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), when.stage), when.epoch)
