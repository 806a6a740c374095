"""Convolutions and max-pool against Flax's and against a loop."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.models.conv import Conv, max_pool


@pytest.mark.parametrize("size, strides, padding", [(1, 1, 0), (1, 2, 0), (3, 2, 1), (7, 2, 3)])
def test_values_and_gradients_are_those_of_flax(size, strides, padding):
    rng = np.random.default_rng(0)
    x = jnp.float32(rng.normal(size=(2, 7, 6, 3)))
    ours = Conv(4, (size, size), strides, padding=padding)
    theirs = nn.Conv(4, (size, size), strides, padding=padding, use_bias=False)
    variables = ours.init(jax.random.key(0), x)

    def loss(variables, x, conv):
        y = conv.apply(variables, x)
        return jnp.sum(jnp.sin(y)), y

    got, want = (
        jax.jit(jax.grad(partial(loss, conv=conv), argnums=(0, 1), has_aux=True))(variables, x)
        for conv in (ours, theirs)
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), got, want)


def pooled_by_a_loop(x, dy):
    B, H, W, C = x.shape
    rows, columns = -(-H // 2), -(-W // 2)
    y, dx = np.zeros((B, rows, columns, C), x.dtype), np.zeros_like(x)
    for b, i, j, c in np.ndindex(y.shape):
        best = None
        for h in range(max(0, 2 * i - 1), min(H, 2 * i + 2)):
            for w in range(max(0, 2 * j - 1), min(W, 2 * j + 2)):
                if best is None or x[b, h, w, c] > x[b, *best, c]:  # of equal ones the first
                    best = h, w
        y[b, i, j, c] = x[b, *best, c]
        dx[b, *best, c] += dy[b, i, j, c]
    return y, dx


@pytest.mark.parametrize("height, width", [(8, 6), (7, 5), (1, 2)])
def test_max_pool_and_its_gradient_are_those_of_a_loop_ties_too(height, width):
    rng = np.random.default_rng(1)
    x = rng.integers(-2, 3, (2, height, width, 3)).astype(np.float32)  # many are equal
    y, back = jax.vjp(max_pool, jnp.asarray(x))
    dy = rng.normal(size=y.shape).astype(np.float32)
    want_y, want_dx = pooled_by_a_loop(x, dy)
    np.testing.assert_array_equal(y, want_y)
    np.testing.assert_allclose(back(jnp.asarray(dy))[0], want_dx, atol=1e-6)


def test_max_pool_lets_what_is_not_a_number_through():
    x = jnp.ones((1, 4, 4, 1)).at[0, 3, 3, 0].set(jnp.nan)
    assert jnp.isnan(max_pool(x)[0, 1, 1, 0]) and jnp.isfinite(max_pool(x)[0, 0, 0, 0])
