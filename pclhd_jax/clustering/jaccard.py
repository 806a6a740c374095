"""The k-reciprocal Jaccard distance, sparse from end to end.

Zhong et al., Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017. A row of
the encoding V has tens of entries (hundreds after query expansion), so two pictures are compared
through the columns they share; no N x N array exists at any time, and no list has a cap.
"""

import threading

import numpy as np
from scipy import sparse

from pclhd_jax.clustering.cluster_settings import JaccardSettings
from pclhd_jax.clustering.jaccard_kernels import (
    SMALLEST_DISTANCE,
    average_block,
    complete_rows,
    entries_above,
    expand_block,
    least_shared,
    mirror_block,
    mutual,
    pair_block,
)
from pclhd_jax.clustering.neighbour_lists import NeighbourLists
from pclhd_jax.clustering.neighbour_search import nearest_neighbours
from pclhd_jax.clustering.sparse_rows import SparseRows, by_blocks, stack

# Largest accepted | |z| - 1 |.
NORM_TOLERANCE = 1e-3
# Where numba has neither OpenMP nor TBB, two threads in its loops at once end the process.
ONE_AT_A_TIME = threading.Lock()


def jaccard_distance(
    features_ND: np.ndarray,
    *,
    k1: int,
    k2: int,
    modality_N: np.ndarray | None = None,
    cutoff: float = 1.0,
    count_self: bool = False,
    unit_features: bool = True,
) -> sparse.csr_matrix:
    """Jaccard distances of the k-reciprocal neighbour sets of N pictures.

    Args:
      features_ND: unit rows (within 1e-3), taken as float32;
        shorter ones where `unit_features` is False.
      k1: neighbours in the reciprocal lists, besides the picture itself (count_self: with it).
      k2: neighbours, the picture itself included, of the query expansion; 1 means none.
      modality_N: two integer values; given, the query expansion averages each modality's
        neighbours apart and then takes the mean of the two means.
      cutoff: distances at or above it are not stored; in (0, 1].
      count_self: k1 counts the picture itself, as in the released program: lists of k1 entries
        instead of k1 + 1.
      unit_features: False takes rows of any length up to 1, such as means of unit rows, as the
        released program does: neighbours by L2 distance, weights softmax(-(2 - 2 f_i.f_j)).

    Returns:
      Symmetric float32 (N, N) with sorted indices. A pair not stored is at distance >= `cutoff`.
      The diagonal and pairs at distance 0 are stored as the smallest normal float32.

    Raises:
      ValueError: features that are not finite rows of such lengths, or an argument out of range.
    """
    settings = JaccardSettings(k1, k2, count_self, unit_features)
    return distance_of(features_ND, settings, modality_N=modality_N, cutoff=cutoff)


def distance_of(
    features_ND: np.ndarray,
    settings: JaccardSettings,
    *,
    lists: NeighbourLists | None = None,
    modality_N: np.ndarray | None = None,
    cutoff: float = 1.0,
) -> sparse.csr_matrix:
    """`jaccard_distance` with its sizes in one record.

    Args:
      lists: as `nearest_neighbours` gives them, `settings.list_length` long or longer, and by `l2`
        where `settings.unit_features` is False. None: they are searched here.
      The others: as in `jaccard_distance`.

    Raises:
      ValueError: as `jaccard_distance`; and lists that are not such lists.
    """
    features_ND = np.ascontiguousarray(features_ND, np.float32)
    _check_arguments(len(features_ND), settings, modality_N, cutoff)
    _check_lengths(features_ND, settings.unit_features)
    if lists is None:
        lists = nearest_neighbours(features_ND, settings.list_length, l2=not settings.unit_features)
    lists = NeighbourLists(
        np.ascontiguousarray(lists.indices_Nk, np.int32),
        np.ascontiguousarray(lists.similarities_Nk, np.float32),
    )
    _check_lists(lists, features_ND, settings)
    with ONE_AT_A_TIME:
        encoding = _reciprocal_encoding(features_ND, lists, settings)
        if settings.k2 > 1:
            encoding = _query_expansion(encoding, lists.indices_Nk[:, : settings.k2], modality_N)
        by_column, by_row = _by_popularity(encoding)
        del encoding  # the largest array here, and turned by now
        return _distances(by_column, by_row, float(cutoff))


def _check_arguments(
    num_rows: int, settings: JaccardSettings, modality_N: np.ndarray | None, cutoff: float
) -> None:
    if settings.k1 < 1 or settings.k2 < 1:
        raise ValueError(f"k1 is {settings.k1} and k2 is {settings.k2}; give at least 1 each")
    if not 0 < cutoff <= 1:
        raise ValueError(f"cutoff is {cutoff}; give a value in (0, 1]: no distance exceeds 1")
    if modality_N is None:
        return
    if np.shape(modality_N) != (num_rows,) or len(np.unique(modality_N)) > 2:
        raise ValueError(
            f"modality has shape {np.shape(modality_N)} and {len(np.unique(modality_N))} values; "
            f"give ({num_rows},) with at most 2 values"
        )


def _check_lists(lists: NeighbourLists, features_ND: np.ndarray, settings: JaccardSettings) -> None:
    """What the compiled loops rely on: they write where these numbers point to."""
    indices_Nk, similarities_Nk = lists
    num_rows, length = indices_Nk.shape
    needed = min(num_rows, settings.list_length)
    if length < needed or similarities_Nk.shape != indices_Nk.shape or num_rows != len(features_ND):
        raise ValueError(
            f"neighbour lists {indices_Nk.shape} and similarities {similarities_Nk.shape} for "
            f"{len(features_ND)} rows; k1={settings.k1}, k2={settings.k2} need {needed} neighbours "
            "of every row"
        )
    in_order_Nk = np.sort(indices_Nk, axis=1)
    problem = ""
    if in_order_Nk[:, 0].min() < 0 or in_order_Nk[:, -1].max() >= num_rows:
        problem = f"numbered {in_order_Nk[:, 0].min()} to {in_order_Nk[:, -1].max()}"
    elif (in_order_Nk[:, 1:] == in_order_Nk[:, :-1]).any():
        problem = "named twice in a row's list"
    elif (indices_Nk[:, 0] != np.arange(num_rows)).any():
        problem = "not headed by the row itself"
    elif not (np.abs(similarities_Nk) <= 1 + 3 * NORM_TOLERANCE).all():
        problem = "at similarities outside -1 to 1"
    if problem:
        raise ValueError(
            f"neighbours are {problem}; with {num_rows} rows give numbers from 0 to "
            f"{num_rows - 1}, each row first in its own list, as nearest_neighbours does"
        )


def _check_lengths(features_ND: np.ndarray, unit_features: bool) -> None:
    if features_ND.ndim != 2 or not len(features_ND):
        raise ValueError(f"features have shape {features_ND.shape}; give (N, D) with N >= 1")
    norm_N = np.sqrt(np.einsum("nd,nd->n", features_ND, features_ND))
    # Written so that nan and inf are bad.
    bad_N = ~(norm_N <= 1 + NORM_TOLERANCE)
    if unit_features:
        bad_N |= ~(norm_N >= 1 - NORM_TOLERANCE)
    if bad_N.any():
        first = int(np.argmax(bad_N))
        what, limit = (
            ("unit vectors", "1 +-") if unit_features else ("at most 1 long", "at most 1 +")
        )
        raise ValueError(
            f"{bad_N.sum()} of {len(norm_N)} feature rows are not {what} (row {first} has "
            f"norm {norm_N[first]:.6g}, limit {limit} {NORM_TOLERANCE}); L2-normalise them, and "
            "look for nan or inf in the model if the norm is not finite"
        )


def _reciprocal_encoding(
    features_ND: np.ndarray, lists: NeighbourLists, settings: JaccardSettings
) -> SparseRows:
    """V before query expansion: a softmax over each expanded reciprocal set (eq. 3, 4, 7)."""
    num_rows, length = lists.indices_Nk.shape
    full, half = min(settings.reciprocal_length, length), min(settings.half_length, length)
    both_mutual = mutual(lists.indices_Nk, full), mutual(lists.indices_Nk, half)
    inputs = (features_ND, *lists, *both_mutual)
    return stack(by_blocks(expand_block, inputs, num_rows, width=full * half))


def _query_expansion(
    encoding: SparseRows, indices_Nk: np.ndarray, modality_N: np.ndarray | None
) -> SparseRows:
    """Every row becomes the (modality-balanced) mean of its neighbours' rows (eq. 11)."""
    num_rows, k2 = indices_Nk.shape
    if modality_N is None:
        weight_Nk = np.full((num_rows, k2), 1 / k2)
    else:
        first_Nk = (np.asarray(modality_N) == np.min(modality_N))[indices_Nk]
        num_first_N1 = first_Nk.sum(axis=1, keepdims=True)
        num_own_Nk = np.where(first_Nk, num_first_N1, k2 - num_first_N1)
        both_N1 = (num_first_N1 > 0) & (num_first_N1 < k2)
        weight_Nk = np.where(both_N1, 0.5, 1.0) / num_own_Nk
    longest = int(np.diff(encoding.starts).max())
    inputs = (np.ascontiguousarray(indices_Nk), weight_Nk, *encoding)
    return stack(by_blocks(average_block, inputs, num_rows, width=k2 * longest))


def _distances(by_column: SparseRows, by_row: SparseRows, cutoff: float) -> sparse.csr_matrix:
    """1 - sum(min) / sum(max) of every pair of rows that shares a column (eq. 10)."""
    num_rows = len(by_row.starts) - 1
    width = _most_pairs(by_row, by_column, cutoff)
    inputs = (tuple(by_row), tuple(by_column), entries_above(*by_row[:2]), cutoff)
    # Pairs i < j only; the mirror below makes the result symmetric to the last bit.
    upper = list(by_blocks(pair_block, inputs, num_rows, width))
    del inputs, by_column, by_row
    length_N = np.ones(num_rows, np.int64)  # the diagonal
    first = 0
    for block in upper:
        rows = len(block.starts) - 1
        length_N[first : first + rows] += np.diff(block.starts)
        length_N += np.bincount(block.columns, minlength=num_rows)
        first += rows
    starts = np.concatenate(([0], np.cumsum(length_N)))
    columns = np.empty(starts[-1], np.int32)
    values = np.empty(starts[-1], np.float32)
    cursor_N = starts[:-1].copy()
    first = 0
    for number, block in enumerate(upper):
        mirror_block(first, *block, cursor_N, columns, values)
        first += len(block.starts) - 1
        upper[number] = None  # at cutoff 1 these are half the result: free them on the way
    complete_rows(starts, cursor_N, columns, values, SMALLEST_DISTANCE)
    return sparse.csr_matrix((values, columns, starts), shape=(num_rows, num_rows))


def _by_popularity(encoding: SparseRows) -> tuple[SparseRows, SparseRows]:
    """V by column and by row, columns numbered from rare to frequent; entries in order."""
    num_rows = len(encoding.starts) - 1
    frequency_N = np.bincount(encoding.columns, minlength=num_rows)
    rank_N = np.empty(num_rows, np.int32)
    rank_N[np.argsort(frequency_N, kind="stable")] = np.arange(num_rows)
    unordered = sparse.csr_matrix(
        (encoding.values, rank_N[encoding.columns], encoding.starts), shape=(num_rows, num_rows)
    )
    by_column = unordered.tocsc()
    by_row = by_column.tocsr()  # twice turned, the columns of a row are in order
    return tuple(SparseRows(m.indptr, m.indices, m.data) for m in (by_column, by_row))


def _most_pairs(by_row: SparseRows, by_column: SparseRows, cutoff: float) -> int:
    """No row has more pairs below the cutoff than this.

    A row's sum of s(i, j) over j is at most sum_c min(V_ic * rows in c, mass of c), and each pair
    below the cutoff takes `least_shared` of it.
    """
    num_rows = len(by_row.starts) - 1
    least = least_shared(cutoff)
    if least == 0:
        return num_rows
    mass_N = np.bincount(by_row.columns, by_row.values, minlength=num_rows)
    length_N = np.diff(by_column.starts)
    bound = np.minimum(by_row.values * length_N[by_row.columns], mass_N[by_row.columns])
    return int(min(num_rows, np.add.reduceat(bound, by_row.starts[:-1]).max() / least + 1))
