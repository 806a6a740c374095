"""Dynamic scaling of the loss: it changes no gradient, and an overflow costs a step, no more."""

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.method.loss_scale import start_scale, value_and_gradients, where_finite

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
