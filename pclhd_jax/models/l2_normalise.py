"""Rows of length one."""

import jax
import jax.numpy as jnp


def unit(x_ND: jax.Array) -> jax.Array:
    """x / |x| along the last axis; a zero row stays zero, with a finite gradient."""
    squared = jnp.sum(x_ND * x_ND, axis=-1, keepdims=True)
    return x_ND * jax.lax.rsqrt(jnp.maximum(squared, 1e-24))
