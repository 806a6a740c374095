"""Exact nearest neighbours by inner product, on JAX's device, a block of queries at a time."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def nearest_neighbours(
    features_ND: np.ndarray, num_neighbours: int, *, block_rows: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """The most similar rows of every row: itself first, then by falling inner product.

    Equal similarities are ordered by row number, so the lists do not depend on the block size but
    for rounding. Memory on the device: the features plus one block of `block_rows` x N float32.

    Args:
      features_ND: real numbers, taken as float32.
      num_neighbours: length k of the lists, the row itself included; N if there are fewer rows.
      block_rows: query rows per matrix product.

    Returns:
      Indices int32 (N, k) and inner products float32 (N, k).

    Raises:
      ValueError: no rows, not a matrix, or fewer than one neighbour or block row.
    """
    features_ND = np.asarray(features_ND, np.float32)
    if features_ND.ndim != 2 or not len(features_ND):
        raise ValueError(f"features have shape {features_ND.shape}; give (N, D) with N >= 1")
    if num_neighbours < 1 or block_rows < 1:
        raise ValueError(
            f"num_neighbours is {num_neighbours} and block_rows {block_rows}; give at least 1 each"
        )
    num_rows = len(features_ND)
    k = min(num_neighbours, num_rows)
    block_rows = min(block_rows, num_rows)
    # Explicit transfers and a local device: this runs on one process, under a transfer guard.
    device = jax.local_devices()[0]
    device_ND = jax.device_put(features_ND, device)
    indices_Nk = np.empty((num_rows, k), np.int32)
    similarities_Nk = np.empty((num_rows, k), np.float32)
    for start in range(0, num_rows, block_rows):
        # The last block overlaps the one before it instead of being shorter: one compilation.
        start = min(start, num_rows - block_rows)
        block = _search_block(
            device_ND, jax.device_put(np.int32(start), device), rows=block_rows, k=k
        )
        rows = slice(start, start + block_rows)
        indices_Nk[rows], similarities_Nk[rows], own_B = jax.device_get(block)
        similarities_Nk[rows, 0] = own_B
    return indices_Nk, similarities_Nk


@partial(jax.jit, static_argnames=("rows", "k"))
def _search_block(
    features_ND: jax.Array, start: jax.Array, *, rows: int, k: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    block_BD = jax.lax.dynamic_slice_in_dim(features_ND, start, rows)
    # GPUs would otherwise multiply in TF32, whose 10 bits reorder close neighbours.
    similarity_BN = jnp.matmul(block_BD, features_ND.T, precision=jax.lax.Precision.HIGHEST)
    row_B = jnp.arange(rows)
    own_B = similarity_BN[row_B, start + row_B]
    # Rounding and duplicates must not push a row from the head of its own list.
    similarity_BN = similarity_BN.at[row_B, start + row_B].set(jnp.inf)
    similarity_Bk, index_Bk = jax.lax.top_k(similarity_BN, k)  # ties: lower index first
    # As they are: on CPUs, writing to them here turns the top-k into a full sort (80 x slower).
    return index_Bk, similarity_Bk, own_B
