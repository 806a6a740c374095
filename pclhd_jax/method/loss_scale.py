"""Gradients of a float16 encoder: the loss times a factor that follows what overflows.

Below 6e-8 float16 is 0, and most of a gradient is. Flax's DynamicScale multiplies the loss, divides
the gradients, halves the factor where one overflowed and doubles it after 2,000 steps of none.
bfloat16 has float32's range and needs none of it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax.training.dynamic_scale import DynamicScale


def start_scale(dtype: Any) -> DynamicScale | None:
    """What a run of this type of convolutions starts with; None where none is needed."""
    if jnp.dtype(dtype) != jnp.float16:
        return None
    # Arrays, so that the first step finds what every later one finds. torch's start, too.
    return DynamicScale(fin_steps=jnp.int32(0), scale=jnp.float32(65536.0))


def value_and_gradients(
    loss_fn: Callable[[Any], tuple[jax.Array, Any]], params: Any, scale: DynamicScale | None
) -> tuple[Any, Any, DynamicScale | None, jax.Array]:
    """Gradients, what `loss_fn` returns beside the loss, the next scale, whether all are finite."""
    if scale is None:
        gradients, beside = jax.grad(loss_fn, has_aux=True)(params)
        return gradients, beside, None, jnp.bool_(True)
    scale, finite, (_, beside), gradients = scale.value_and_grad(loss_fn, has_aux=True)(params)
    return gradients, beside, scale, finite


def where_finite(finite: jax.Array, new: Any, old: Any) -> Any:
    """`new`, or leaf by leaf `old` where the gradients overflowed: that step is left out."""
    return jax.tree.map(lambda x, y: jnp.where(finite, x, y), new, old)
