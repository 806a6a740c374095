"""Convolution and max-pool in the forms that XLA computes fast, parameters as Flax's."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

PLACES = [(i, j) for i in range(3) for j in range(3)]  # of a window


class Conv(nn.Module):
    """flax.linen.Conv without a bias, its 1x1 kernels as matrix products.

    The product's weight gradient is a product again: on a CPU XLA's convolution takes six times as
    long for it. padding: numbers on each side.
    """

    channels: int
    kernel_size: Sequence[int]
    strides: int = 1
    padding: int = 0
    dtype: jnp.dtype = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x_BHWC: jax.Array) -> jax.Array:
        shape = (*self.kernel_size, x_BHWC.shape[-1], self.channels)
        kernel_hwCD = self.param("kernel", self.kernel_init, shape, jnp.float32).astype(self.dtype)
        x_BHWC = x_BHWC.astype(self.dtype)
        if shape[:2] == (1, 1):
            if self.strides > 1:
                x_BHWC = x_BHWC[:, :: self.strides, :: self.strides]
                # For XLA 0.10.2 on GPUs, whose Triton products abort on a slice of fused axes.
                x_BHWC = jax.lax.optimization_barrier(x_BHWC)
            return x_BHWC @ kernel_hwCD[0, 0]
        return jax.lax.conv_general_dilated(
            x_BHWC,
            kernel_hwCD,
            window_strides=(self.strides,) * 2,
            padding=((self.padding,) * 2,) * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )


@jax.custom_vjp
def max_pool(x_BHWC: jax.Array) -> jax.Array:
    """The maxima of 3x3 windows, two apart, the border padded by one. Of equal ones the first has
    the gradient, as in torch.

    By nine slices: on a CPU the gradient of `nn.max_pool` takes thirteen times as long.
    """
    return _pooled(x_BHWC)[0]


def _pooled(x_BHWC: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The maxima, and which of its window's nine places each is from."""
    (H, rows), (W, columns) = ((n, -(-n // 2)) for n in x_BHWC.shape[1:3])
    padding = ((0, 0, 0), (1, 2 * rows - H, 0), (1, 2 * columns - W, 0), (0, 0, 0))
    x_BHWC = jax.lax.pad(x_BHWC, jnp.array(-jnp.inf, x_BHWC.dtype), padding)
    y_BHWC, first_BHWC = None, None
    for place, (i, j) in enumerate(PLACES):
        at_BHWC = x_BHWC[:, i : i + 2 * rows - 1 : 2, j : j + 2 * columns - 1 : 2]
        if place == 0:
            y_BHWC, first_BHWC = at_BHWC, jnp.zeros(at_BHWC.shape, jnp.uint8)
            continue
        first_BHWC = jnp.where(at_BHWC > y_BHWC, jnp.uint8(place), first_BHWC)
        y_BHWC = jnp.maximum(at_BHWC, y_BHWC)
    return y_BHWC, first_BHWC


def _max_pool_forward(x_BHWC):
    y_BHWC, first_BHWC = _pooled(x_BHWC)
    return y_BHWC, (first_BHWC, x_BHWC.shape[1:3])


def _max_pool_backward(kept, dy_BHWC):
    first_BHWC, (H, W) = kept
    dx_BHWC = 0.0
    for place, (i, j) in enumerate(PLACES):
        part_BHWC = jnp.where(first_BHWC == place, dy_BHWC.astype(jnp.float32), 0.0)
        spread = ((0, 0, 0), (i, 2 - i, 1), (j, 2 - j, 1), (0, 0, 0))
        dx_BHWC += jax.lax.pad(part_BHWC, 0.0, spread)
    return (dx_BHWC[:, 1 : 1 + H, 1 : 1 + W].astype(dy_BHWC.dtype),)


max_pool.defvjp(_max_pool_forward, _max_pool_backward)
