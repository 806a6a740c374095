"""Dynamic scaling of the loss: it changes no gradient, and an overflow costs a step, no more."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.method import steps
from pclhd_jax.method.loss_scale import start_scale, value_and_gradients, where_finite
from pclhd_jax.method.state import make_optimizer, set_learning_rate, with_scale
from tests.helpers.step_cases import (
    ALPHA,
    BATCHES,
    KEY,
    LR,
    ODD,
    PAPER,
    ToyEncoder,
    assert_close,
    assert_same,
    make_banks,
    make_state,
)

PARAMS = {"a": jnp.float32([1.0, -2.0]), "b": jnp.float32([3.0])}


def loss_of(factor):
    def loss_fn(params):
        half = jax.tree.map(lambda p: p.astype(jnp.float16), params)
        return jnp.sum(half["a"] ** 2 * factor).astype(jnp.float32) + params["b"][0], "beside"

    return loss_fn


def test_only_float16_is_scaled():
    assert start_scale("float32") is None and start_scale("bfloat16") is None
    assert float(start_scale("float16").scale) == 65536


def test_a_gradient_below_half_precision_survives_by_the_scale():
    """1.2e-9 is 0 in float16; times 1,024 it is 1.2e-6."""
    loss = loss_of(jnp.float16(6e-8))
    lost, _, _, _ = value_and_gradients(
        loss, {"a": jnp.float32([0.01, 0.0]), "b": PARAMS["b"]}, None
    )
    kept, beside, scale, finite = value_and_gradients(
        loss,
        {"a": jnp.float32([0.01, 0.0]), "b": PARAMS["b"]},
        start_scale("float16").replace(scale=jnp.float32(1024.0)),
    )
    assert float(lost["a"][0]) == 0.0 and beside == "beside" and bool(finite)
    np.testing.assert_allclose(kept["a"][0], 2 * 0.01 * 6e-8, rtol=0.1)
    np.testing.assert_allclose(kept["b"], [1.0])
    assert float(scale.scale) == 1024 and int(scale.fin_steps) == 1


def test_an_overflow_halves_the_scale_and_leaves_the_parameters():
    gradients, _, scale, finite = value_and_gradients(
        loss_of(jnp.float16(8.0)), PARAMS, start_scale("float16")
    )
    assert not bool(finite) and float(scale.scale) == 32768 and int(scale.fin_steps) == 0
    new = jax.tree.map(lambda p, g: p - g, PARAMS, gradients)
    kept = where_finite(finite, new, PARAMS)
    jax.tree.map(np.testing.assert_array_equal, kept, PARAMS)
    jax.tree.map(np.testing.assert_array_equal, where_finite(jnp.bool_(True), new, PARAMS), new)


def test_a_step_that_overflows_moves_no_parameter_and_is_told_and_the_next_one_does():
    """Stage 2: both of its optimiser steps, from a scale that no gradient survives."""
    tx = make_optimizer(5e-4)
    fixed = steps.Fixed(ToyEncoder(), tx, PAPER, 4, ALPHA)
    state, banks = set_learning_rate(make_state(fixed.model, tx), LR), make_banks(8)
    step = jax.jit(partial(steps.stage2_step, fixed=fixed))
    plain, _, plain_metrics = step(state, banks, BATCHES, ODD, KEY)

    too_large = start_scale("float16").replace(scale=jnp.float32(jnp.inf))
    after, _, metrics = step(with_scale(state, too_large), banks, BATCHES, ODD, KEY)
    assert_same((after.params, after.opt_state), (state.params, state.opt_state))
    assert (float(metrics["skipped"]), float(metrics["skipped_joint"])) == (1.0, 1.0)
    assert int(after.loss_scale.fin_steps) == 0
    assert all(np.isfinite(x) for name, x in metrics.items() if not name.startswith("scale"))

    whole = with_scale(state, start_scale("float16"))
    scaled, _, metrics = step(whole, banks, BATCHES, ODD, KEY)
    assert (float(metrics["skipped"]), float(metrics["skipped_joint"])) == (0.0, 0.0)
    assert_close(scaled.params, plain.params)
    assert_close({name: metrics[name] for name in plain_metrics}, plain_metrics)
