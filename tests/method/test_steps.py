"""The steps: that they learn, compile once, and give the same on two devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pclhd_jax.batches.batch import Batches
from pclhd_jax.method import steps
from pclhd_jax.method.state import make_optimizer, set_learning_rate
from pclhd_jax.models.agw import AGW
from pclhd_jax.processes.mesh import make_mesh, replicate, shard_batch
from tests.helpers.step_cases import (
    ALPHA,
    BATCH,
    BATCHES,
    EVEN,
    KEY,
    LR,
    NO_WEIGHTS,
    ODD,
    PAPER,
    H,
    ToyEncoder,
    W,
    assert_close,
    assert_same,
    differs,
    make_banks,
    make_state,
)

# ---- the real encoder, small --------------------------------------------------------------------


APART = Batches(BATCH)
AGW_TINY = AGW(depth=18, width=0.125)
WIDTH = AGW_TINY.feature_width


@pytest.fixture(scope="module")
def stage1():
    """Stage 1's step, by plain gradient descent, with its start."""
    tx = optax.sgd(LR)
    fixed = steps.Fixed(AGW_TINY, tx, PAPER, augment_pad=2, encoder_decay=ALPHA)
    step = jax.jit(partial(steps.stage1_step, fixed=fixed))
    return step, make_state(AGW_TINY, tx), make_banks(WIDTH)


def test_stage_one_learns_a_fixed_batch_and_compiles_once_while_clusters_and_weights_move(stage1):
    step, state, banks = stage1
    start, losses, compilations = state, [], set()
    for _ in range(10):
        state, moved, metrics = step(state, banks, APART, ODD, KEY)  # the banks held still
        losses.append(float(metrics["loss_visible"] + metrics["loss_infrared"]))
        compilations.add(step._cache_size())
    assert np.isfinite(losses).all() and losses[-1] < 0.7 * losses[0], losses
    assert_same(state.momentum, start.momentum)  # stage 1 only carries it along
    assert all(differs(state.batch_stats, start.batch_stats))

    state, _, _ = step(state, moved, APART, ODD, KEY)
    more_clusters = make_banks(WIDTH, live=5)
    _, after, metrics = step(state, more_clusters, APART, NO_WEIGHTS, jax.random.key(1))
    assert float(metrics["loss_visible"]) == 0
    assert int(after.visible.live_K.sum()) == 5
    assert compilations == {step._cache_size()}


def test_stage_two_learns_a_fixed_batch_and_compiles_once_over_epochs():
    tx = make_optimizer(5e-4)
    fixed = steps.Fixed(AGW_TINY, tx, PAPER, augment_pad=2, encoder_decay=ALPHA)
    state = set_learning_rate(make_state(AGW_TINY, tx), 3e-3)
    banks = make_banks(WIDTH)
    step = jax.jit(partial(steps.stage2_step, fixed=fixed))
    losses = []
    for _ in range(6):
        state, moved, metrics = step(state, banks, BATCHES, ODD, KEY)
        losses.append(sum(float(v) for name, v in metrics.items() if name.startswith("loss_")))
    assert np.isfinite(losses).all() and losses[-1] < 0.8 * losses[0], losses
    assert set(metrics) == {
        "loss_visible",
        "loss_infrared",
        "loss_cross",
        "loss_dynamic_visible",
        "loss_dynamic_infrared",
        "loss_joint_visible",
        "loss_joint_infrared",
        "gradient_norm",
        "gradient_norm_joint",
    }
    state, _, _ = step(state, moved, BATCHES, ODD, KEY)
    next_epoch = make_banks(WIDTH, live=5, seed=1)
    nothing_even = EVEN._replace(weights=NO_WEIGHTS.weights)
    step(state, next_epoch, BATCHES, nothing_even, jax.random.key(1))
    assert step._cache_size() == 1


@pytest.fixture(scope="module")
def chance():
    """The compiled stage-2 step of the toy encoder with its real augmentation, and its start."""
    tx = optax.sgd(LR)
    fixed = steps.Fixed(ToyEncoder(), tx, PAPER, augment_pad=2, encoder_decay=ALPHA)
    step = jax.jit(partial(steps.stage2_step, fixed=fixed))
    return step, make_state(fixed.model, tx, momentum_seed=1), make_banks(8)


def test_one_key_gives_bit_identical_steps_and_another_key_others(chance):
    step, state, banks = chance
    first, again, other = (step(state, banks, BATCHES, ODD, jax.random.key(k)) for k in (0, 0, 1))
    assert_same(first, again)
    assert all(differs(first[0].params, other[0].params))


# ---- two devices ------------------------------------------------------------------------------

# conftest.py gives a CPU two devices: where they are missing, these fail.
two_devices = pytest.mark.skipif(
    jax.default_backend() != "cpu" and jax.device_count() < 2, reason="a machine with one GPU"
)


def on_the_mesh(step, state, banks, batches, *rest):
    mesh = make_mesh()
    batches = shard_batch(mesh, batches)
    pictures = batches.apart.visible_BHWC
    assert len(pictures.addressable_shards) == mesh.size == jax.device_count()
    assert pictures.addressable_shards[0].data.shape[0] == len(pictures) // mesh.size
    return step(*replicate(mesh, (state, banks)), batches, *replicate(mesh, rest))


@two_devices
def test_stage_two_on_two_devices_is_stage_two_on_one(chance):
    step, state, banks = chance
    one = step(state, banks, BATCHES, ODD, KEY)
    two = on_the_mesh(step, state, banks, BATCHES, ODD, KEY)
    assert_close(two, one)


@two_devices
def test_the_encoder_on_two_devices_takes_its_statistics_over_the_whole_batch(stage1):
    step, state, banks = stage1
    one = step(state, banks, APART, ODD, KEY)
    two = on_the_mesh(step, state, banks, APART, ODD, KEY)
    assert_close(two, one)


# ---- features ---------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_a_picture_and_its_mirror_have_one_unit_feature(modality):
    model = ToyEncoder()
    variables = make_state(model, optax.sgd(LR)).online
    pictures = np.random.default_rng(0).integers(0, 256, (5, H, W, 3), dtype=np.uint8)
    step = jax.jit(partial(steps.feature_step, model=model, modality=modality))
    got = np.asarray(step(variables, pictures))
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(step(variables, pictures[:, :, ::-1]), got, atol=1e-5)

    def one_side(images):
        x = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        pair = (jnp.float32(x), None) if modality == "visible" else (None, jnp.float32(x))
        return np.asarray(model.apply(variables, *pair), float)

    total = one_side(pictures) + one_side(pictures[:, :, ::-1])
    want = total / np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert np.abs(one_side(pictures) - got).max() > 0.01

    plain = np.asarray(
        steps.feature_step(variables, pictures, model=model, modality=modality, unit_features=False)
    )
    np.testing.assert_allclose(plain, total / 2, atol=1e-4)
    assert np.linalg.norm(plain, axis=1).max() < 0.999
