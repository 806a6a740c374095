"""The nearest rows of a gallery: exact, on all devices, a tile of it at a time."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from pclhd_jax.clustering.neighbour_lists import NeighbourLists, merged, stacked
from pclhd_jax.clustering.neighbour_search import BLOCK_ROWS, TILE_ROWS
from pclhd_jax.processes.mesh import make_mesh, replicate, shard_batch
from pclhd_jax.system.device_memory import SMALLER_SEARCH, fits

Report = Callable[[int, int], None]


@fits("the search", SMALLER_SEARCH)
def nearest(
    query_QD: np.ndarray,
    gallery_GD: np.ndarray,
    k: int,
    *,
    block_rows: int = BLOCK_ROWS,
    tile_rows: int = TILE_ROWS,
    report: Report | None = None,
) -> NeighbourLists:
    """The k gallery rows of the largest inner product with each query, best first.

    Equal ones are ordered by row number. What is kept of a query are its k best so far: no Q x G
    array, on the host or on a device. Each device holds its part of a tile of the gallery.

    Args:
      query_QD, gallery_GD: float32; a gallery mapped from a file is read a tile at a time.
      k: all of the gallery if it has fewer rows.
      block_rows: queries per matrix product. tile_rows: gallery rows on the devices at a time.
      report: called with (pairs compared, all pairs) after each product.

    Raises ValueError for no query, an empty gallery, other shapes, numbers that are not finite, k
    below 1.
    """
    check(query_QD, gallery_GD, k)
    check_finite(query_QD, "query")
    mesh = make_mesh()
    num_queries, num_gallery = len(query_QD), len(gallery_GD)
    k, block_rows = min(k, num_gallery), min(block_rows, num_queries)
    # One shape of tile, so one compilation: the last one is filled up.
    tile_rows = -(-min(tile_rows, num_gallery) // mesh.size) * mesh.size
    found = [empty(min(block_rows, num_queries - q)) for q in range(0, num_queries, block_rows)]
    for first in range(0, num_gallery, tile_rows):
        rows_TD = np.asarray(gallery_GD[first : first + tile_rows], np.float32)
        live = len(rows_TD)
        check_finite(rows_TD, "gallery")
        tile_TD = shard_batch(mesh, filled(rows_TD, tile_rows))
        for b, query_row in enumerate(range(0, num_queries, block_rows)):
            block_BD = filled(query_QD[query_row : query_row + block_rows], block_rows)
            column_BK, similarity_BK = jax.device_get(
                best_of_tile(replicate(mesh, block_BD), tile_TD, np.int32(live), k=k, mesh=mesh)
            )
            B = len(found[b].indices_Nk)
            here = NeighbourLists(column_BK[:B] + np.int32(first), similarity_BK[:B])
            found[b] = merged(found[b], here, k)
            if report is not None:
                done = num_queries * first + min(query_row + block_rows, num_queries) * live
                report(done, num_queries * num_gallery)
    return stacked(found)


@partial(jax.jit, static_argnames=("k", "mesh"))
def best_of_tile(
    block_BD: jax.Array, tile_TD: jax.Array, live: jax.Array, *, k: int, mesh: Mesh
) -> tuple[jax.Array, jax.Array]:
    """Every device's k best of its part of the tile, side by side: columns and similarities.

    Of the tile, rows from `live` on are filling.
    """

    def on_one(block_BD: jax.Array, part_PD: jax.Array, live: jax.Array) -> tuple[jax.Array, ...]:
        first = jax.lax.axis_index("data") * len(part_PD)
        # GPUs would otherwise multiply in TF32, whose 10 bits reorder close neighbours.
        similarity_BP = jnp.matmul(block_BD, part_PD.T, precision=jax.lax.Precision.HIGHEST)
        is_live_P = first + jnp.arange(len(part_PD)) < live
        similarity_BP = jnp.where(is_live_P[None, :], similarity_BP, -jnp.inf)
        similarity_BK, column_BK = jax.lax.top_k(similarity_BP, min(k, len(part_PD)))
        return column_BK + first, similarity_BK  # ties: lower number first

    whole, rows, columns = PartitionSpec(), PartitionSpec("data"), PartitionSpec(None, "data")
    return jax.shard_map(
        on_one, mesh=mesh, in_specs=(whole, rows, whole), out_specs=(columns, columns)
    )(block_BD, tile_TD, live)


def empty(rows: int) -> NeighbourLists:
    return NeighbourLists(np.empty((rows, 0), np.int32), np.empty((rows, 0), np.float32))


def filled(rows_ND: np.ndarray, size: int) -> np.ndarray:
    """With rows of zeros up to `size`."""
    rows_ND = np.asarray(rows_ND, np.float32)
    return np.pad(rows_ND, ((0, size - len(rows_ND)), (0, 0)))


def check(query_QD: np.ndarray, gallery_GD: np.ndarray, k: int) -> None:
    for side, rows in (("query", query_QD), ("gallery", gallery_GD)):
        if rows.ndim != 2 or not len(rows):
            raise ValueError(
                f"{side} features have shape {rows.shape}; give (N, D) with at least one row"
            )
    if query_QD.shape[1] != gallery_GD.shape[1]:
        raise ValueError(
            f"query features are {query_QD.shape[1]:,} wide, gallery features "
            f"{gallery_GD.shape[1]:,}; compute both with one encoder"
        )
    if k < 1:
        raise ValueError(f"k is {k}; give at least 1")


def check_finite(rows_ND: np.ndarray, side: str) -> None:
    """Raises ValueError for features that are not finite, because NaN has no order."""
    bad_N = ~np.isfinite(rows_ND).all(axis=1)
    if bad_N.any():
        raise ValueError(
            f"{bad_N.sum():,} of {len(rows_ND):,} {side} features are not finite, the first in row "
            f"{bad_N.argmax():,}; embed the pictures again"
        )
