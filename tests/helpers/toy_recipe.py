"""A recipe on a toy encoder: its first step of stage 2, and as much of an epoch as banks need."""

import numpy as np
import optax

from configs import common
from pclhd_jax.batches.batch import Batches, EpochLabels
from pclhd_jax.method import steps
from pclhd_jax.method.schedules import epoch_inputs
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.settings.schedule import When
from pclhd_jax.training.banks import make_banks
from pclhd_jax.training.experiment import fixed_of
from pclhd_jax.training.features import Features
from tests.helpers.step_cases import BATCH, JOINT, KEY, ToyEncoder, make_state
from tests.helpers.step_cases import make_banks as toy_banks


def toy_config(recipe):
    c = common.base(recipe)
    c.loss.temperature = 0.2
    c.augment_pad = 2
    c.encoder_decay = 0.9
    c.loss.ramp_epochs = 0
    c.loss.stage2_weights = (0.7, 0.8, 1.2)  # every term weighs something
    return c


def outcome(config, odd=True, joint=JOINT, batch=BATCH):
    """(state, banks, metrics) of the first iteration of stage 2, by plain descent."""
    fixed = fixed_of(config, ToyEncoder(), optax.sgd(0.05))
    inputs = epoch_inputs(When(2, int(odd)), config.loss)  # toy_config has no ramp
    state, banks = make_state(fixed.model, fixed.tx, momentum_seed=1), toy_banks(8)
    # Not jitted: each operation is compiled once for all settings, a step would be for every one.
    return steps.stage2_step(state, banks, Batches(batch, joint), inputs, KEY, fixed=fixed)


FIRST_OF_STAGE_2 = When(2, 0)


def first_banks(config):
    """Of `an_epoch`, the first of stage 2."""
    config.prototypes.num_dynamic = 3
    return make_banks(config, make_mesh(), FIRST_OF_STAGE_2, *an_epoch())


def an_epoch():
    rng = np.random.default_rng(0)

    def unit_rows(n):
        x = rng.normal(size=(n, 6))
        return np.float32(x / np.linalg.norm(x, axis=1, keepdims=True))

    z, momentum_z = (Features(unit_rows(12), unit_rows(9)) for _ in range(2))
    visible_N, infrared_N = np.resize([0, 1, 2, -1], 12), np.resize([1, 0, 0], 9)
    to_r, to_v = np.array([1, 0, 1]), np.array([0, 1])
    labels = EpochLabels(*map(np.int32, (visible_N, infrared_N, to_r, to_v, visible_N, infrared_N)))
    return z, momentum_z, labels
