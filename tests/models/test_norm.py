"""BatchNorm against the plain formula and its automatic gradient, and against its own parts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.models.norm import BatchNorm

EPSILON = 1e-5


def plain(x, scale, bias, relu):
    mean = jnp.mean(x, axis=(0, 1, 2), keepdims=True)
    var = jnp.mean((x - mean) ** 2, axis=(0, 1, 2), keepdims=True)
    y = (x - mean) / jnp.sqrt(var + EPSILON) * scale.reshape(1, 1, 1, -1)
    y += bias.reshape(1, 1, 1, -1)
    return jnp.maximum(y, 0) if relu else y


def draw(seed, B=4):
    rng = np.random.default_rng(seed)
    x, weight = rng.normal(1.0, 2.0, (2, B, 3, 5, 6)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(weight), *map(jnp.float32, rng.normal(size=(2, 6)))


def variables_of(scale, bias):
    stats = {"mean": jnp.zeros(6), "var": jnp.ones(6)}
    return {"params": {"scale": scale, "bias": bias}, "batch_stats": stats}


def apply(norm, variables, x):
    return norm.apply(variables, x, mutable=["batch_stats"])


@pytest.mark.parametrize("slow_variance", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_values_and_gradients_are_those_of_the_plain_formula(relu, slow_variance):
    x, weight, scale, bias = draw(0)
    norm = BatchNorm(False, relu=relu, slow_variance=slow_variance)

    def ours(x, scale, bias):
        y, _ = apply(norm, variables_of(scale, bias), x)
        return jnp.sum(y * weight), y

    def theirs(x, scale, bias):
        y = plain(x, scale, bias, relu)
        return jnp.sum(y * weight), y

    run = partial(jax.grad, argnums=(0, 1, 2), has_aux=True)
    got, want = (jax.jit(run(f))(x, scale, bias) for f in (ours, theirs))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=2e-4, atol=2e-4), got, want)


def test_bfloat16_is_normalised_by_statistics_of_float32():
    x, _, scale, bias = draw(1)
    half = x.astype(jnp.bfloat16)
    y, moved = apply(BatchNorm(False, dtype=jnp.bfloat16), variables_of(scale, bias), half)
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(moved)} == {jnp.dtype("float32")}
    want = plain(half.astype(jnp.float32), scale, bias, False)
    np.testing.assert_allclose(y.astype(jnp.float32), want, rtol=1e-2, atol=1e-2)


def test_the_gradient_of_the_statistics_is_cut_for_they_are_to_be_stored():
    x, _, scale, bias = draw(2)

    def stored(x):
        return jnp.sum(
            apply(BatchNorm(False), variables_of(scale, bias), x)[1]["batch_stats"]["var"]
        )

    np.testing.assert_array_equal(jax.grad(stored)(x), jnp.zeros_like(x))


@pytest.mark.parametrize("groups", [2, 4])
def test_each_group_is_normalised_alone_and_the_first_ones_statistics_are_stored(groups):
    x, weight, scale, bias = draw(3)
    variables = variables_of(scale, bias)

    def loss(x, norm, weight):
        y, moved = apply(norm, variables, x)
        return jnp.sum(y * weight), (y, moved)

    run = jax.value_and_grad(loss, has_aux=True)
    (_, (y, moved)), dx = run(x, BatchNorm(False, relu=True, groups=groups), weight)
    size = len(x) // groups
    for g in range(groups):
        rows = slice(g * size, (g + 1) * size)
        (_, (want_y, want_moved)), want_dx = run(x[rows], BatchNorm(False, relu=True), weight[rows])
        np.testing.assert_allclose(y[rows], want_y, atol=1e-5)
        np.testing.assert_allclose(dx[rows], want_dx, atol=1e-4)
        if g == 0:
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), moved, want_moved)
