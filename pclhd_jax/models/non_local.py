"""The non-local block, without a matrix over pairs of positions and in few passes over the map."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from pclhd_jax.models.norm import move_statistics, stored_statistics


class Projection(nn.Module):
    """Kernel and bias of a 1x1 convolution, (I, O) and (O,), for the caller to use."""

    inputs: int
    outputs: int

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        # torch's own initialisation of a convolution; "fan out" of one channel would be huge.
        init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        kernel = self.param("kernel", init, (1, 1, self.inputs, self.outputs), jnp.float32)
        bias_O = self.param("bias", nn.initializers.zeros_init(), (self.outputs,), jnp.float32)
        return kernel[0, 0], bias_O


class OutputNorm(nn.Module):
    """The norm of `w_C y + b_C`, for every channel the same numbers y: as a factor and a shift.

    The statistics of that map follow from y's own mean m and variance v: w m + b and w^2 v; no
    pass over the map is needed, nor the difference of two large numbers.
    """

    use_running_average: bool
    momentum: float
    epsilon: float
    groups: int = 1

    @nn.compact
    def __call__(
        self, y_BHW: jax.Array, w_1C: jax.Array, b_1C: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """(G, C) factor a and shift c: the norm's output is a y + c."""
        C = w_1C.shape[-1]
        zeros = nn.initializers.zeros_init()  # so that the block starts as the identity
        scale_1C, bias_1C = (
            self.param(name, zeros, (C,), jnp.float32)[None] for name in ("scale", "bias")
        )
        stored = stored_statistics(self, C)
        if self.use_running_average:
            mean_GC, var_GC = (variable.value[None] for variable in stored)
        else:
            y_Gn = y_BHW.reshape(self.groups, -1)
            mean_G1 = jnp.mean(y_Gn, axis=1, keepdims=True)
            var_G1 = jnp.mean(jnp.square(y_Gn - mean_G1), axis=1, keepdims=True)
            mean_GC, var_GC = mean_G1 * w_1C + b_1C, var_G1 * w_1C**2
            move_statistics(self, stored, mean_GC[0], var_GC[0], y_Gn.shape[1])
        factor_GC = jax.lax.rsqrt(var_GC + self.epsilon) * scale_1C
        return factor_GC * w_1C, factor_GC * (b_1C - mean_GC) + bias_1C


class NonLocal(nn.Module):
    """Every position adds what it sees at all others, through one channel.

    No softmax: f = theta phi^T / positions. Scale and bias of the last norm start
    at zero, so the block starts as the identity.
    """

    output_norm: Callable[..., OutputNorm]

    @nn.compact
    def __call__(self, x_BHWC: jax.Array) -> jax.Array:
        C = x_BHWC.shape[-1]
        x32_BHWC = x_BHWC.astype(jnp.float32)

        def seen(name: str) -> jax.Array:
            kernel_C1, bias_1 = Projection(C, 1, name=name)()
            # Sums, not matrix products: XLA makes all three from one reading of x.
            return jnp.sum(x32_BHWC * kernel_C1.reshape(1, 1, 1, C), -1) + bias_1.reshape(1, 1, 1)

        g_BHW, theta_BHW, phi_BHW = (seen(name) for name in ("g", "theta", "phi"))
        # f = theta phi^T is an outer product of rank one: f g = theta (phi . g).
        y_BHW = theta_BHW * jnp.mean(phi_BHW * g_BHW, axis=(1, 2), keepdims=True)
        kernel_1C, bias_C = Projection(1, C, name="W_conv")()
        factor_GC, shift_GC = self.output_norm(name="W_bn")(y_BHW, kernel_1C, bias_C[None])
        factor, shift = (by_row(x_GC, x_BHWC) for x_GC in (factor_GC, shift_GC))
        return (x32_BHWC + y_BHW[..., None] * factor + shift).astype(x_BHWC.dtype)


def by_row(x_GC: jax.Array, like_BHWC: jax.Array) -> jax.Array:
    """(1, 1, 1, C), or of several groups (B, 1, 1, C): each group's for its rows."""
    if len(x_GC) > 1:
        x_GC = jnp.repeat(x_GC, len(like_BHWC) // len(x_GC), axis=0)
    return x_GC[:, None, None]
