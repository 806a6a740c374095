"""Exact nearest neighbours, on JAX's device, one matrix product at a time."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

BLOCK_ROWS = 1024  # query rows of a product
TILE_ROWS = 65_536  # rows they are compared with: 0.5 GB of features, 0.3 GB of products

Report = Callable[[int, int], None]


class Neighbours(NamedTuple):
    """Nearest first, the row itself in column 0; equally near ones by row number."""

    indices_Nk: np.ndarray  # int32
    similarities_Nk: np.ndarray  # float32, inner products


class ModalityNeighbours(NamedTuple):
    """Lists within each modality, and over both with the visible rows first."""

    visible: Neighbours
    infrared: Neighbours
    joint: Neighbours


def nearest_neighbours(
    features_ND: np.ndarray,
    num_neighbours: int,
    *,
    l2: bool = False,
    block_rows: int = BLOCK_ROWS,
    tile_rows: int = TILE_ROWS,
    report: Report | None = None,
) -> Neighbours:
    """The nearest rows of every row: itself first, then by falling inner product.

    Equally near rows are ordered by row number, so the lists do not depend on the sizes of block
    and tile but for rounding. Memory on the device, whatever N: `tile_rows` + 2 `block_rows` rows
    of features and two products.

    Args:
      features_ND: real numbers, taken as float32.
      num_neighbours: length k of the lists, the row itself included; N if there are fewer rows.
      l2: nearest by L2 distance instead, which is another order where rows differ in length.
        The similarities are inner products all the same.
      block_rows: query rows per matrix product.
      tile_rows: rows they are compared with per matrix product.
      report: called with (pairs compared, all pairs) after each product.

    Raises:
      ValueError: no rows, not a matrix, or fewer than one neighbour, block or tile row.
    """
    features_ND = _checked(features_ND, num_neighbours, block_rows, tile_rows)
    search = partial(_search, k=num_neighbours, block_rows=block_rows, tile_rows=tile_rows)
    square_N = _squares(features_ND)
    found = search(features_ND, features_ND, square_N if l2 else None, own=True, report=report)
    return _finished(found, square_N, num_neighbours, l2)


def neighbours_by_modality(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    *,
    own_neighbours: int,
    joint_neighbours: int,
    l2: bool = False,
    block_rows: int = BLOCK_ROWS,
    tile_rows: int = TILE_ROWS,
    report: Report | None = None,
) -> ModalityNeighbours:
    """`nearest_neighbours` of each modality and of both together, from one set of products.

    A joint list is merged from the nearest of the own and of the other modality, so the products
    within a modality serve both. Of SYSU-MM01's 1.8e9 that is a third.

    Args:
      own_neighbours, joint_neighbours: lengths of the lists, the row itself included.
      The others, and the errors, are those of `nearest_neighbours`.
    """
    longest = max(own_neighbours, joint_neighbours)
    least = min(own_neighbours, joint_neighbours)
    visible_ND = _checked(visible_ND, least, block_rows, tile_rows)
    infrared_ND = _checked(infrared_ND, least, block_rows, tile_rows)
    search = partial(_search, k=longest, block_rows=block_rows, tile_rows=tile_rows)
    num_visible, num_infrared = len(visible_ND), len(infrared_ND)
    pairs = (num_visible**2, num_infrared**2, num_visible * num_infrared)
    reports = [
        counted_on(report, before, (num_visible + num_infrared) ** 2)
        for before in (0, pairs[0], pairs[0] + pairs[1], sum(pairs))
    ]
    square_V, square_R = _squares(visible_ND), _squares(infrared_ND)
    of_V, of_R = (square_V, square_R) if l2 else (None, None)
    visible = search(visible_ND, visible_ND, of_V, own=True, report=reports[0])
    infrared = search(infrared_ND, infrared_ND, of_R, own=True, report=reports[1])
    to_infrared = search(visible_ND, infrared_ND, of_R, own=False, report=reports[2])
    to_visible = search(infrared_ND, visible_ND, of_V, own=False, report=reports[3])

    of_visible = merged(visible, _shifted(to_infrared, num_visible), joint_neighbours)
    of_infrared = merged(to_visible, _shifted(infrared, num_visible), joint_neighbours)
    joint = Neighbours(*map(np.concatenate, zip(of_visible, of_infrared, strict=True)))
    return ModalityNeighbours(
        _finished(visible, square_V, own_neighbours, l2),
        _finished(infrared, square_R, own_neighbours, l2),
        _finished(joint, np.concatenate([square_V, square_R]), joint_neighbours, l2),
    )


def counted_on(report: Report | None, before: int, total: int) -> Report | None:
    """`report` for a part of the work, `before` being done already."""
    return None if report is None else lambda done, _: report(before + done, total)


def _checked(
    features_ND: np.ndarray, num_neighbours: int, block_rows: int, tile_rows: int
) -> np.ndarray:
    features_ND = np.asarray(features_ND, np.float32)
    if features_ND.ndim != 2 or not len(features_ND):
        raise ValueError(f"features have shape {features_ND.shape}; give (N, D) with N >= 1")
    if min(num_neighbours, block_rows, tile_rows) < 1:
        raise ValueError(
            f"num_neighbours is {num_neighbours}, block_rows {block_rows} and tile_rows "
            f"{tile_rows}; give at least 1 each"
        )
    return features_ND


def _search(
    rows_ND: np.ndarray,
    columns_MD: np.ndarray,
    square_M: np.ndarray | None,
    *,
    k: int,
    own: bool,
    block_rows: int,
    tile_rows: int,
    report: Report | None,
) -> Neighbours:
    """The nearest columns of every row, by inner product z.c.

    own: both are one set; a row's own product is inf. square_M: |c|^2, given where the order is
    that of L2 distance; the products are then z.c - |c|^2 / 2, a row's order by distance.
    """
    num_rows, num_columns = len(rows_ND), len(columns_MD)
    num_tiles = -(-num_columns // tile_rows)
    # Tiles of nearly one length: two compilations at most.
    borders = np.linspace(0, num_columns, num_tiles + 1).astype(np.int32).tolist()
    found = None
    for lo, hi in pairwise(borders):
        here = Neighbours(
            np.empty((num_rows, min(k, hi - lo)), np.int32),
            np.empty((num_rows, min(k, hi - lo)), np.float32),
        )
        first_own = -lo if own else num_columns
        square_T = None if square_M is None else square_M[lo:hi]
        blocks = _search_tile(
            rows_ND, columns_MD[lo:hi], square_T, first_own, min(k, hi - lo), block_rows
        )
        for start, columns_Bk, similarities_Bk in blocks:
            here.indices_Nk[start : start + len(columns_Bk)] = columns_Bk + lo
            here.similarities_Nk[start : start + len(columns_Bk)] = similarities_Bk
            if report is not None:
                done = num_rows * lo + (start + len(columns_Bk)) * (hi - lo)
                report(done, num_rows * num_columns)
        found = here if found is None else merged(found, here, k)
    return found


def _search_tile(
    rows_ND: np.ndarray,
    tile_TD: np.ndarray,
    square_T: np.ndarray | None,
    first_own: int,
    k: int,
    block_rows: int,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(first row, columns, similarities) block by block; row i's own column is first_own + i."""
    # Explicit transfers and a local device: this runs on one process, under a transfer guard.
    device = jax.local_devices()[0]
    tile_TD = jax.device_put(tile_TD, device)
    half_square_T = None if square_T is None else jax.device_put(square_T / 2, device)
    block_rows = min(block_rows, len(rows_ND))
    pending = []
    for start in range(0, len(rows_ND), block_rows):
        # The last block overlaps the one before it instead of being shorter.
        start = min(start, len(rows_ND) - block_rows)
        block_BD = jax.device_put(rows_ND[start : start + block_rows], device)
        own = jax.device_put(np.int32(first_own + start), device)
        pending.append((start, search_block(block_BD, tile_TD, half_square_T, own, k=k)))
        if len(pending) > 1:  # fetched one block late: the device works on the next meanwhile
            start, block = pending.pop(0)
            yield start, *jax.device_get(block)
    start, block = pending.pop()
    yield start, *jax.device_get(block)


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

    half_square_T: see `_search`. first_own: the column that is row 0 itself.
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


def _shifted(lists: Neighbours, by: int) -> Neighbours:
    return lists._replace(indices_Nk=lists.indices_Nk + np.int32(by))


def merged(lower: Neighbours, higher: Neighbours, k: int) -> Neighbours:
    """The k nearest of two lists; every number in `lower` is below every one in `higher`."""
    similarities = np.concatenate([lower.similarities_Nk, higher.similarities_Nk], axis=1)
    indices = np.concatenate([lower.indices_Nk, higher.indices_Nk], axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return Neighbours(*(np.take_along_axis(x, order, axis=1) for x in (indices, similarities)))


def _squares(features_ND: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", features_ND, features_ND)


def _finished(lists: Neighbours, square_N: np.ndarray, k: int, l2: bool) -> Neighbours:
    """The first k; up to here a row's similarity to itself was inf, so that none came before it."""
    lists = Neighbours(*(np.ascontiguousarray(x[:, :k]) for x in lists))
    if l2:
        lists = lists._replace(
            similarities_Nk=lists.similarities_Nk + square_N[lists.indices_Nk] / 2
        )
    lists.similarities_Nk[:, 0] = square_N
    return lists
