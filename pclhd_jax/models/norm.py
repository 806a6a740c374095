"""BatchNorm as torch computes it, in the fewest passes over the activations.

Training is bound by memory, and most of what it moves are the passes of its norms. XLA's own
gradient of a norm reads the activations four to five times; the one written here reads them twice
(once for two sums, once for dx), and finds the mask of the ReLU that follows from what it reads.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp


class BatchNorm(nn.Module):
    """Norm over batch and positions, with a ReLU behind it if asked.

    Both Flax and torch normalise a training batch by its biased variance v. Flax also stores v;
    this stores torch's, the unbiased v n / (n - 1), n being the numbers per channel. The encoder's
    statistics are then those that the authors' program would have, in either direction.

    slow_variance: the mean of (x - mean)^2 in a second pass, not mean(x^2) - mean(x)^2, which is
    off where the mean is far larger than the deviation.
    groups: the batch's rows fall into so many runs of one length, each normalised by its own
    statistics, as on so many devices of torch's DataParallel; as there, the first one's are stored.
    """

    use_running_average: bool
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: jnp.dtype = jnp.float32
    use_bias: bool = True
    relu: bool = False
    slow_variance: bool = False
    groups: int = 1
    scale_init: nn.initializers.Initializer = nn.initializers.ones_init()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        C = x.shape[-1]
        scale_C = self.param("scale", self.scale_init, (C,), jnp.float32)
        zeros = nn.initializers.zeros_init()
        bias_C = self.param("bias", zeros, (C,), jnp.float32) if self.use_bias else jnp.zeros(C)
        stored = stored_statistics(self, C)
        if self.use_running_average:
            y = normalise(x, stored[0].value, stored[1].value, scale_C, bias_C, self.epsilon)
            return (nn.relu(y) if self.relu else y).astype(self.dtype)
        # Without groups the shape stays: XLA fuses passes of one shape alone.
        parts = x if self.groups == 1 else x.reshape(self.groups, -1, *x.shape[1:])
        axes = tuple(range(self.groups > 1, parts.ndim - 1))
        y, mean, var = normalised_batch(
            parts, scale_C, bias_C, axes, self.epsilon, self.relu, self.slow_variance
        )
        first = (statistics.reshape(-1, C)[0] for statistics in (mean, var))
        move_statistics(self, stored, *first, x.size // C // self.groups)
        return y.reshape(x.shape).astype(self.dtype)


def stored_statistics(norm: nn.Module, C: int) -> tuple[nn.Variable, nn.Variable]:
    """A norm's running mean and variance."""
    return (
        norm.variable("batch_stats", "mean", jnp.zeros, C),
        norm.variable("batch_stats", "var", jnp.ones, C),
    )


def move_statistics(
    norm: nn.Module,
    stored: tuple[nn.Variable, nn.Variable],
    mean_C: jax.Array,
    var_C: jax.Array,
    n: int,
) -> None:
    """var_C: biased, of n numbers a channel."""
    if norm.is_initializing():
        return
    # A single number has no unbiased variance (torch refuses it): its v, 0, stays.
    for variable, new_C in zip(stored, (mean_C, var_C * (n / max(n - 1, 1))), strict=True):
        variable.value = norm.momentum * variable.value + (1 - norm.momentum) * new_C


def normalise(
    x: jax.Array,
    mean_C: jax.Array,
    var_C: jax.Array,
    scale_C: jax.Array,
    bias_C: jax.Array,
    epsilon: float,
) -> jax.Array:
    """In float32, whatever `x` is. Statistics (C,), or of x's rank."""
    mean, var, scale, bias = (along(x, c) for c in (mean_C, var_C, scale_C, bias_C))
    return (x.astype(jnp.float32) - mean) * (jax.lax.rsqrt(var + epsilon) * scale) + bias


def along(x: jax.Array, c: jax.Array) -> jax.Array:
    """`c` with axes of length 1 in front, to meet the last axes of `x`."""
    return c.reshape((1,) * (x.ndim - c.ndim) + c.shape)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5, 6))
def normalised_batch(
    x: jax.Array,
    scale_C: jax.Array,
    bias_C: jax.Array,
    axes: tuple[int, ...],
    epsilon: float,
    relu: bool,
    slow_variance: bool,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`x` by its own statistics, and these: (G, ..., C) in x's type, (G, 1, ..., C) mean and biased
    variance.

    The statistics pass no gradient on: they are to be stored.
    """
    return _forward(x, scale_C, bias_C, axes, epsilon, relu, slow_variance)[0]


def _forward(x, scale_C, bias_C, axes, epsilon, relu, slow_variance):
    # Or XLA reads a matrix product's result twice, for one sum each.
    x = jax.lax.optimization_barrier(x)
    mean, var = batch_statistics(x, axes, slow_variance)
    y = normalise(x, mean, var, scale_C, bias_C, epsilon)
    y = (nn.relu(y) if relu else y).astype(x.dtype)
    return (y, mean, var), (x, mean, var, scale_C, bias_C)


def _backward(axes, epsilon, relu, slow_variance, kept, gradients):
    x, mean, var, scale_C, bias_C = kept
    # Or XLA finds the forward pass's mask here, and keeps and reads that besides.
    x = jax.lax.optimization_barrier(x)
    dy = gradients[0].astype(jnp.float32)
    inverse = jax.lax.rsqrt(var + epsilon)
    centred = x.astype(jnp.float32) - mean
    factor = inverse * along(x, scale_C)
    if relu:
        dy = jnp.where(centred * factor + along(x, bias_C) > 0, dy, 0.0)
    sum_dy = jnp.sum(dy, axis=axes, keepdims=True)
    product = jnp.sum(dy * centred, axis=axes, keepdims=True)
    n = x.size // sum_dy.size
    dx = factor * (dy - sum_dy / n - centred * (product * inverse**2 / n))
    dscale_C = jnp.sum((product * inverse).reshape(-1, x.shape[-1]), axis=0)
    return dx.astype(x.dtype), dscale_C, jnp.sum(sum_dy.reshape(-1, x.shape[-1]), axis=0)


normalised_batch.defvjp(_forward, _backward)


def batch_statistics(
    x: jax.Array, axes: tuple[int, ...], slow_variance: bool
) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance over `axes`, which stay with length 1; in float32."""
    x = x.astype(jnp.float32)
    mean = jnp.mean(x, axis=axes, keepdims=True)
    if slow_variance:
        return mean, jnp.mean(jnp.square(x - mean), axis=axes, keepdims=True)
    square = jnp.mean(jnp.square(x), axis=axes, keepdims=True)
    return mean, jnp.maximum(square - jnp.square(mean), 0.0)
