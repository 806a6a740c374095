"""The non-local block in training against the map that it leaves out: W's convolution, its norm."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.models.non_local import NonLocal, OutputNorm

B, H, W, C = 4, 3, 2, 5
TRAINING = partial(OutputNorm, use_running_average=False, momentum=0.9, epsilon=1e-5)


def plain(params, x):
    """The output, mean and unbiased variance of W's map."""
    g, theta, phi = (
        x @ params[name]["kernel"][0, 0] + params[name]["bias"].reshape(1, 1, 1, 1)
        for name in ("g", "theta", "phi")
    )
    y = theta * jnp.mean(phi * g, axis=(1, 2), keepdims=True)
    w = y @ params["W_conv"]["kernel"][0, 0] + params["W_conv"]["bias"].reshape(1, 1, 1, C)
    mean = jnp.mean(w, axis=(0, 1, 2), keepdims=True)
    var = jnp.mean((w - mean) ** 2, axis=(0, 1, 2), keepdims=True)
    scale, bias = (params["W_bn"][name].reshape(1, 1, 1, C) for name in ("scale", "bias"))
    n = B * H * W
    z = x + (w - mean) / jnp.sqrt(var + 1e-5) * scale + bias
    return z, (mean.reshape(C), var.reshape(C) * n / (n - 1))


def drawn():
    rng = np.random.default_rng(0)
    x, weight = jnp.float32(rng.normal(size=(2, B, H, W, C)))
    variables = NonLocal(TRAINING).init(jax.random.key(0), x)
    params = jax.tree.map(lambda p: jnp.float32(rng.normal(size=p.shape)), variables["params"])
    return x, weight, variables | {"params": params}


def test_output_gradients_and_statistics_are_those_of_the_whole_map():
    x, weight, variables = drawn()

    def ours(params, x):
        z, moved = NonLocal(TRAINING).apply(
            variables | {"params": params}, x, mutable="batch_stats"
        )
        return jnp.sum(z * weight), (z, moved["batch_stats"]["W_bn"])

    def theirs(params, x):
        z, (mean, var) = plain(params, x)
        return jnp.sum(z * weight), (z, {"mean": 0.1 * mean, "var": 0.9 + 0.1 * var})

    got, want = (
        jax.jit(jax.grad(f, argnums=(0, 1), has_aux=True))(variables["params"], x)
        for f in (ours, theirs)
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=2e-4), got, want)


def test_groups_have_statistics_of_their_own():
    x, _, variables = drawn()
    grouped = partial(TRAINING, groups=2)
    z, moved = NonLocal(grouped).apply(variables, x, mutable="batch_stats")
    parts = [
        NonLocal(TRAINING).apply(variables, half, mutable="batch_stats") for half in (x[:2], x[2:])
    ]
    np.testing.assert_allclose(z, jnp.concatenate([part for part, _ in parts]), atol=1e-5)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), moved, parts[0][1])
