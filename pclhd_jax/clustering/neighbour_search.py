"""Exact nearest neighbours, on this process's devices, a matrix product on each at a time."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pclhd_jax.clustering.neighbour_lists import NeighbourLists, finished, merged
from pclhd_jax.clustering.shares import WHOLE, Share
from pclhd_jax.processes.devices import check_jax
from pclhd_jax.system.device_memory import SMALLER_SEARCH, fits

BLOCK_ROWS = 1024  # query rows of a product
TILE_ROWS = 65_536  # rows they are compared with: 0.5 GB of features, 0.3 GB of products

Report = Callable[[int, int], None]


class SearchOptions(NamedTuple):
    """How a search is done; its lists are the same whatever is given here, but for rounding.

    block_rows: query rows per matrix product. tile_rows: rows they are compared with per product.
    share: the query rows whose lists are looked for, where other processes look for the others.
    report: called with (pairs compared, all pairs) after each product.
    """

    block_rows: int = BLOCK_ROWS
    tile_rows: int = TILE_ROWS
    share: Share = WHOLE
    report: Report | None = None

    def rows(self, num_rows: int) -> tuple[int, int]:
        """The first of the query rows that are searched, and the end."""
        return self.share.rows(num_rows, self.block_rows)

    def counted_on(self, before: int, total: int) -> "SearchOptions":
        """For a part of the work that reports all of it, `before` being done already."""
        if (report := self.report) is None:
            return self
        return self._replace(report=lambda done, _: report(before + done, total))


DEFAULT_SEARCH = SearchOptions()


@fits("the search for neighbours", SMALLER_SEARCH)
def nearest_neighbours(
    features_ND: np.ndarray,
    num_neighbours: int,
    *,
    l2: bool = False,
    options: SearchOptions = DEFAULT_SEARCH,
) -> NeighbourLists:
    """The nearest rows of every row: itself first, then by falling inner product.

    Equally near rows are ordered by row number, so the lists do not depend on the sizes of block
    and tile but for rounding; nor, to the last bit, on the number of devices and processes. Memory
    on each device, whatever N: `tile_rows` + 2 `block_rows` rows of features and two products.

    Args:
      features_ND: real numbers, taken as float32.
      num_neighbours: length k of the lists, the row itself included; N if there are fewer rows.
      l2: nearest by L2 distance instead, which is another order where rows differ in length.
        The similarities are inner products all the same.
      options: sizes of the products, a share of the rows, a report.

    Raises:
      ValueError: no rows, not a matrix, or fewer than one neighbour, block or tile row.
    """
    check_jax()
    features_ND = checked(features_ND, num_neighbours, options)
    square_N = squares(features_ND)
    found = nearest_columns(
        features_ND,
        features_ND,
        square_N if l2 else None,
        k=num_neighbours,
        own=True,
        options=options,
    )
    first, end = options.rows(len(features_ND))
    return finished(found, square_N[first:end], square_N, num_neighbours, l2)


def checked(features_ND: np.ndarray, num_neighbours: int, options: SearchOptions) -> np.ndarray:
    features_ND = np.asarray(features_ND, np.float32)
    if features_ND.ndim != 2 or not len(features_ND):
        raise ValueError(f"features have shape {features_ND.shape}; give (N, D) with N >= 1")
    if min(num_neighbours, options.block_rows, options.tile_rows) < 1:
        raise ValueError(
            f"num_neighbours is {num_neighbours}, block_rows {options.block_rows} and tile_rows "
            f"{options.tile_rows}; give at least 1 each"
        )
    return features_ND


def nearest_columns(
    rows_ND: np.ndarray,
    columns_MD: np.ndarray,
    square_M: np.ndarray | None,
    *,
    k: int,
    own: bool,
    options: SearchOptions,
) -> NeighbourLists:
    """The nearest columns of every row of a share, by inner product z.c.

    own: both are one set; a row's own product is inf. square_M: |c|^2, given where the order is
    that of L2 distance; the products are then z.c - |c|^2 / 2, a row's order by distance.
    """
    num_columns, report = len(columns_MD), options.report
    num_tiles = -(-num_columns // options.tile_rows)
    # Tiles of nearly one length: two compilations at most.
    borders = np.linspace(0, num_columns, num_tiles + 1).astype(np.int32).tolist()
    options = options._replace(block_rows=min(options.block_rows, len(rows_ND)))
    first, end = options.rows(len(rows_ND))
    found = None
    for lo, hi in pairwise(borders):
        here = NeighbourLists(
            np.empty((end - first, min(k, hi - lo)), np.int32),
            np.empty((end - first, min(k, hi - lo)), np.float32),
        )
        first_own = -lo if own else num_columns
        square_T = None if square_M is None else square_M[lo:hi]
        starts = range(first, end, options.block_rows)
        blocks = _search_tile(
            rows_ND, columns_MD[lo:hi], square_T, first_own, min(k, hi - lo), starts
        )
        for start, columns_Bk, similarities_Bk in blocks:
            stop = start + len(columns_Bk)
            here.indices_Nk[start - first : stop - first] = columns_Bk + lo
            here.similarities_Nk[start - first : stop - first] = similarities_Bk
            if report is not None:  # as if the other processes were as far with theirs
                part = (end - first) * lo + (stop - first) * (hi - lo)
                report(len(rows_ND) * part // (end - first), len(rows_ND) * num_columns)
        found = here if found is None else merged(found, here, k)
    return found


def _search_tile(
    rows_ND: np.ndarray,
    tile_TD: np.ndarray,
    square_T: np.ndarray | None,
    first_own: int,
    k: int,
    starts: range,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(first row, columns, similarities) block by block; row i's own column is first_own + i.

    starts: the first rows of the blocks. Every device of this process holds the tile, and they
    get the blocks in turn.
    """
    if not starts:
        return
    # Local devices: the other processes have other rows.
    mesh = Mesh(np.array(jax.local_devices()[: len(starts)]), ("data",))
    split, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    # Explicit transfers: this runs under a transfer guard.
    tile_TD = jax.device_put(tile_TD, whole)
    half_square_T = None if square_T is None else jax.device_put(square_T / 2, whole)
    pending = []
    for i in range(0, len(starts), mesh.size):
        turn = starts[i : i + mesh.size]
        # The last block overlaps the one before it instead of being shorter.
        placed = [min(start, len(rows_ND) - starts.step) for start in turn]
        placed += placed[-1:] * (mesh.size - len(turn))  # for devices left without one
        blocks_BD = _placed(rows_ND, placed, starts.step, split)
        own_n = jax.device_put(np.int32(placed) + np.int32(first_own), split)
        found = search_blocks(blocks_BD, tile_TD, half_square_T, own_n, k=k, mesh=mesh)
        pending.append((turn, placed, found))
        if len(pending) > 1:  # fetched one turn late: the devices work on the next meanwhile
            yield from _blocks_of(*pending.pop(0))
    yield from _blocks_of(*pending.pop())


def _placed(
    rows_ND: np.ndarray, starts: list[int], block_rows: int, split: NamedSharding
) -> jax.Array:
    """The blocks from these rows on, one on each device; one array, with no copy on the host."""
    devices = split.mesh.devices.tolist()
    parts = [
        jax.device_put(rows_ND[start : start + block_rows], device)
        for start, device in zip(starts, devices, strict=True)
    ]
    shape = len(devices) * block_rows, rows_ND.shape[1]
    return jax.make_array_from_single_device_arrays(shape, split, parts)


def _blocks_of(
    turn: range, placed: list[int], found: tuple[jax.Array, jax.Array]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """What every device found; of a block that overlaps the one before, the rest."""
    columns_Bk, similarities_Bk = jax.device_get(found)
    for i, (start, begin) in enumerate(zip(turn, placed, strict=False)):
        rows = slice(i * turn.step + start - begin, (i + 1) * turn.step)
        yield start, columns_Bk[rows], similarities_Bk[rows]


@partial(jax.jit, static_argnames=("k", "mesh"))
def search_blocks(
    blocks_BD: jax.Array,
    tile_TD: jax.Array,
    half_square_T: jax.Array | None,
    first_own_n: jax.Array,
    *,
    k: int,
    mesh: Mesh,
) -> tuple[jax.Array, jax.Array]:
    """`search_block` on every device of a mesh, each of its own block: compiled once for all."""

    def on_one(block_BD, tile_TD, half_square_T, first_own_1):
        return search_block(block_BD, tile_TD, half_square_T, first_own_1[0], k=k)

    whole, split = PartitionSpec(), PartitionSpec("data")
    return jax.shard_map(on_one, mesh=mesh, in_specs=(split, whole, whole, split), out_specs=split)(
        blocks_BD, tile_TD, half_square_T, first_own_n
    )


@partial(jax.jit, static_argnames="k")
def search_block(
    block_BD: jax.Array,
    tile_TD: jax.Array,
    half_square_T: jax.Array | None,
    first_own: jax.Array,
    *,
    k: int,
) -> tuple[jax.Array, jax.Array]:
    """(columns_Bk, similarities_Bk): the k nearest of a tile's rows to each of a block's.

    half_square_T: see `nearest_columns`. first_own: the column that is row 0 itself.
    """
    # GPUs would otherwise multiply in TF32, whose 10 bits reorder close neighbours.
    similarity_BT = jnp.matmul(block_BD, tile_TD.T, precision=jax.lax.Precision.HIGHEST)
    if half_square_T is not None:
        similarity_BT -= half_square_T[None, :]
    row_B = jnp.arange(len(block_BD))
    own_B = first_own + row_B
    # Rounding and duplicates must not push a row from the head of its own list.
    inside_B = (own_B >= 0) & (own_B < len(tile_TD))
    own_B = jnp.where(inside_B, own_B, len(tile_TD))
    similarity_BT = similarity_BT.at[row_B, own_B].set(jnp.inf, mode="drop")
    similarity_Bk, column_Bk = jax.lax.top_k(similarity_BT, k)  # ties: lower number first
    # As they are: on CPUs, writing to them here turns the top-k into a full sort (80 x slower).
    return column_Bk, similarity_Bk


def squares(features_ND: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", features_ND, features_ND)
