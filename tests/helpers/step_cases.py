"""A toy encoder, states, banks and batches small enough to follow a step by hand."""

from dataclasses import replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from configs import common
from pclhd_jax.batches.batch import Batch, Batches
from pclhd_jax.method.losses import LossWeights
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.schedules import EpochInputs
from pclhd_jax.method.state import TrainState
from pclhd_jax.method.step_data import Banks, TermSettings
from pclhd_jax.settings.sections import settings_of

H, W, ROWS, S = 32, 16, 6, 3
TAU, MU, ALPHA, LR = 0.2, 0.1, 0.9, 0.05


def term_settings(**loss):
    """Recipe `paper` at another temperature; `loss` names settings of its loss section."""
    settings = settings_of(common.base("paper"))
    loss = {"temperature": TAU, **loss}
    return TermSettings(replace(settings.loss, **loss), replace(settings.prototypes, momentum=MU))


PAPER = term_settings()
MOMENTUM_QUERY = term_settings(dynamic_query="momentum")


class ToyEncoder(nn.Module):
    """AGW's door on three small layers, so that a step compiles in seconds."""

    @nn.compact
    def __call__(self, visible, infrared, train=False):
        rows = [
            nn.Dense(12, name=name)(x.reshape(x.shape[0], -1))
            for name, x in (("visible", visible), ("infrared", infrared))
            if x is not None
        ]
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9)
        x = nn.Dense(8)(nn.relu(norm()(jnp.concatenate(rows))))
        x = norm()(x)
        return x if train else x / jnp.linalg.norm(x, axis=1, keepdims=True)


def make_state(model, tx, momentum_seed=0):
    """With another `momentum_seed`, the momentum encoder is another one."""
    picture = jnp.zeros((1, H, W, 3))
    init = jax.jit(partial(model.init, train=False))
    online = init(jax.random.key(0), picture, picture)
    momentum = init(jax.random.key(momentum_seed), picture, picture)
    return TrainState(
        online["params"],
        online["batch_stats"],
        momentum["params"],
        momentum["batch_stats"],
        tx.init(online["params"]),
    )


def make_bank(rng, width, live=4):
    def rows(*shape):
        x = rng.normal(size=(ROWS, *shape))
        x[live:] = 0
        return jnp.float32(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9))

    return PrototypeBank(rows(width), rows(width), rows(S, width), jnp.arange(ROWS) < live)


def make_banks(width, live=4, seed=0):
    rng = np.random.default_rng(seed)
    return Banks(*(make_bank(rng, width, live) for _ in range(3)))


def make_batch(seed, visible_labels, infrared_labels, shift=1):
    """Pictures of four colours, the second half of a batch brighter than the first."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 128, (4, 1, 1, 3))

    def pictures(labels):
        noise = rng.integers(0, 64, (len(labels), H, W, 3))
        bright = 60 * (np.arange(len(labels)) >= len(labels) // 2)[:, None, None, None]
        return (colours[labels] + noise + bright).astype(np.uint8)

    visible_labels, infrared_labels = np.int32(visible_labels), np.int32(infrared_labels)
    return Batch(
        pictures(visible_labels),
        pictures(infrared_labels),
        visible_labels,
        infrared_labels,
        (visible_labels + shift) % 4,
        (infrared_labels + shift) % 4,
    )


BATCH = make_batch(1, [0, 0, 2, 3], [1, 1, 0, 0, 0, 3, 3, 1])
JOINT = make_batch(2, [0, 1, 1, 2], [2, 2, 0, 0, 1, 1, 1, 0])
BATCHES = Batches(BATCH, JOINT)
WEIGHTS = LossWeights(jnp.float32(0.7), jnp.float32(0.4), jnp.float32(0.6))
# What the steps of an odd epoch are given, of an even one, and of one without own terms.
ODD, EVEN = (EpochInputs(WEIGHTS, jnp.bool_(odd)) for odd in (True, False))
NO_WEIGHTS = ODD._replace(weights=LossWeights(*[jnp.float32(0)] * 3))
KEY = jax.random.key(7)


def differs(tree, other):
    return [bool((x != y).any()) for x, y in zip(*map(jax.tree.leaves, (tree, other)), strict=True)]


def assert_same(tree, other):
    jax.tree.map(np.testing.assert_array_equal, tree, other)


def assert_close(tree, other, rtol=1e-4, atol=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=atol), tree, other)
