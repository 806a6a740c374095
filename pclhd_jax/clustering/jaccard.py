"""The k-reciprocal Jaccard distance, sparse from end to end.

Zhong et al., Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017. A row of
the encoding V has tens of entries (hundreds after query expansion), so two pictures are compared
through the columns they share; no N x N array exists at any time, and no list has a cap.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numba
import numpy as np
from scipy import sparse

from pclhd_jax.clustering.neighbours import nearest_neighbours

# What a zero distance is stored as: scikit-learn and SciPy drop explicit zeros.
SMALLEST_DISTANCE = np.finfo(np.float32).tiny
# V is float32, so equal rows come out up to 1e-7 apart; below this a distance is rounding.
ROUNDING = 1e-6
# Largest accepted | |z| - 1 |.
NORM_TOLERANCE = 1e-3
# Rows worked on at a time; their buffers are as wide as the widest row could be.
BLOCK_ROWS = 512


class SparseRows(NamedTuple):
    """Rows of unequal length: row r holds columns[starts[r]:starts[r + 1]], in any order."""

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def jaccard_distance(
    features_ND: np.ndarray,
    *,
    k1: int,
    k2: int,
    modality_N: np.ndarray | None = None,
    cutoff: float = 1.0,
) -> sparse.csr_matrix:
    """Jaccard distances of the k-reciprocal neighbour sets of N pictures.

    Args:
      features_ND: unit rows (within 1e-3), taken as float32.
      k1: neighbours besides the picture itself in the reciprocal lists.
      k2: neighbours, the picture itself included, of the query expansion; 1 means none.
      modality_N: two integer values; given, the query expansion averages each modality's
        neighbours apart and then takes the mean of the two means.
      cutoff: distances at or above it are not stored; in (0, 1].

    Returns:
      Symmetric float32 (N, N) with sorted indices. A pair not stored is at distance >= `cutoff`.
      The diagonal and pairs at distance 0 are stored as the smallest normal float32.

    Raises:
      ValueError: features that are not finite unit rows, or an argument out of its range.
    """
    features_ND = np.ascontiguousarray(features_ND, np.float32)
    _check_arguments(len(features_ND), k1, k2, modality_N, cutoff)
    _check_unit(features_ND)
    # [ours] k1 + 1 neighbours, as the definition has it; the released program asks for k1.
    indices_Nk, similarities_Nk = nearest_neighbours(features_ND, max(k1 + 1, k2))
    return jaccard_from_neighbours(
        features_ND,
        indices_Nk,
        similarities_Nk,
        k1=k1,
        k2=k2,
        modality_N=modality_N,
        cutoff=cutoff,
    )


def jaccard_from_neighbours(
    features_ND: np.ndarray,
    indices_Nk: np.ndarray,
    similarities_Nk: np.ndarray,
    *,
    k1: int,
    k2: int,
    modality_N: np.ndarray | None = None,
    cutoff: float = 1.0,
) -> sparse.csr_matrix:
    """`jaccard_distance` for neighbour lists that are already there.

    Args:
      features_ND: unit rows; read for pairs that the expansion adds from outside a row's own list.
      indices_Nk: nearest first, the row itself in column 0; k = min(N, max(k1 + 1, k2)) or more.
      similarities_Nk: the inner products of those pairs.
      k1, k2, modality_N, cutoff: as in `jaccard_distance`.

    Raises:
      ValueError: lists too short for k1 and k2, or an argument out of its range.
    """
    features_ND = np.ascontiguousarray(features_ND, np.float32)
    indices_Nk = np.ascontiguousarray(indices_Nk, np.int32)
    similarities_Nk = np.ascontiguousarray(similarities_Nk, np.float32)
    num_rows, length = indices_Nk.shape
    _check_arguments(len(features_ND), k1, k2, modality_N, cutoff)
    needed = min(num_rows, max(k1 + 1, k2))
    if length < needed or similarities_Nk.shape != indices_Nk.shape or num_rows != len(features_ND):
        raise ValueError(
            f"neighbour lists {indices_Nk.shape} and similarities {similarities_Nk.shape} for "
            f"{len(features_ND)} rows; k1={k1}, k2={k2} need {needed} neighbours of every row"
        )
    encoding = _reciprocal_encoding(features_ND, indices_Nk, similarities_Nk, k1)
    if k2 > 1:
        encoding = _query_expansion(encoding, indices_Nk[:, :k2], modality_N)
    return _distances(encoding, float(cutoff))


def _check_arguments(
    num_rows: int, k1: int, k2: int, modality_N: np.ndarray | None, cutoff: float
) -> None:
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1 is {k1} and k2 is {k2}; give at least 1 each")
    if not 0 < cutoff <= 1:
        raise ValueError(f"cutoff is {cutoff}; give a value in (0, 1]: no distance exceeds 1")
    if modality_N is None:
        return
    if np.shape(modality_N) != (num_rows,) or len(np.unique(modality_N)) > 2:
        raise ValueError(
            f"modality has shape {np.shape(modality_N)} and {len(np.unique(modality_N))} values; "
            f"give ({num_rows},) with at most 2 values"
        )


def _check_unit(features_ND: np.ndarray) -> None:
    if features_ND.ndim != 2 or not len(features_ND):
        raise ValueError(f"features have shape {features_ND.shape}; give (N, D) with N >= 1")
    norm_N = np.sqrt(np.einsum("nd,nd->n", features_ND, features_ND))
    bad_N = ~(np.abs(norm_N - 1) <= NORM_TOLERANCE)  # written so that nan and inf are bad
    if bad_N.any():
        first = int(np.argmax(bad_N))
        raise ValueError(
            f"{bad_N.sum()} of {len(norm_N)} feature rows are not unit vectors (row {first} has "
            f"norm {norm_N[first]:.6g}, limit 1 +- {NORM_TOLERANCE}); L2-normalise them, and look "
            "for nan or inf in the model if the norm is not finite"
        )


def _reciprocal_encoding(
    features_ND: np.ndarray, indices_Nk: np.ndarray, similarities_Nk: np.ndarray, k1: int
) -> SparseRows:
    """V before query expansion: a softmax over each expanded reciprocal set (eq. 3, 4, 7)."""
    num_rows, length = indices_Nk.shape
    full = min(k1 + 1, length)
    half = min(round(k1 / 2) + 1, length)  # Python rounds halves to even, as the method does
    inputs = (
        features_ND,
        indices_Nk,
        similarities_Nk,
        _mutual(indices_Nk, full),
        _mutual(indices_Nk, half),
    )
    return _stack(_by_blocks(_expand_block, inputs, num_rows, width=full * half))


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
    return _stack(_by_blocks(_average_block, inputs, num_rows, width=k2 * longest))


def _distances(encoding: SparseRows, cutoff: float) -> sparse.csr_matrix:
    """1 - sum(min) / sum(max) of every pair of rows that shares a column (eq. 10)."""
    num_rows = len(encoding.starts) - 1
    inputs = (tuple(encoding), _invert(*encoding), cutoff)
    # Pairs i < j only; the mirror below makes the result symmetric to the last bit.
    upper = list(_by_blocks(_pair_block, inputs, num_rows, width=num_rows))
    del inputs, encoding
    length_N = np.ones(num_rows, np.int64)  # the diagonal
    for number, block in enumerate(upper):
        first = number * BLOCK_ROWS
        length_N[first : first + len(block.starts) - 1] += np.diff(block.starts)
        length_N += np.bincount(block.columns, minlength=num_rows)
    starts = np.concatenate(([0], np.cumsum(length_N)))
    columns = np.empty(starts[-1], np.int32)
    values = np.empty(starts[-1], np.float32)
    cursor_N = starts[:-1].copy()
    for number in range(len(upper)):
        _mirror_block(number * BLOCK_ROWS, *upper[number], cursor_N, columns, values)
        upper[number] = None  # at cutoff 1 these are half the result: free them on the way
    _complete_rows(starts, cursor_N, columns, values, SMALLEST_DISTANCE)
    return sparse.csr_matrix((values, columns, starts), shape=(num_rows, num_rows))


def _by_blocks(kernel: Callable, inputs: tuple, num_rows: int, width: int) -> Iterator[SparseRows]:
    """Rows [lo, hi) at a time: the kernel fills wide buffers, what it filled is packed."""
    shape = (min(BLOCK_ROWS, num_rows), min(width, num_rows))
    columns_BW, values_BW = np.empty(shape, np.int32), np.empty(shape, np.float32)
    count_B = np.zeros(shape[0], np.int64)
    threads = numba.get_num_threads()  # asked here: inside a kernel it would prevent caching
    for lo in range(0, num_rows, BLOCK_ROWS):
        hi = min(lo + BLOCK_ROWS, num_rows)
        kernel(lo, hi, threads, columns_BW, values_BW, count_B, *inputs)
        starts = np.concatenate(([0], np.cumsum(count_B[: hi - lo])))
        yield SparseRows(starts, *_pack(starts, columns_BW, values_BW))


def _stack(blocks: Iterator[SparseRows]) -> SparseRows:
    blocks = list(blocks)
    length_N = np.concatenate([np.diff(block.starts) for block in blocks])
    return SparseRows(
        np.concatenate(([0], np.cumsum(length_N))),
        np.concatenate([block.columns for block in blocks]),
        np.concatenate([block.values for block in blocks]),
    )


# Kernels. A block kernel deals its rows to the threads like cards; each thread has one scratch
# array of N numbers. A row is always summed by one thread in one order: the number of threads
# changes nothing.


@numba.njit(parallel=True, cache=True)
def _mutual(indices_Nk, size):
    """Whether row i is among the first `size` neighbours of its a-th neighbour, for a < size."""
    mutual_Nk = np.zeros((len(indices_Nk), size), np.bool_)
    for i in numba.prange(len(indices_Nk)):
        for a in range(size):
            j = indices_Nk[i, a]
            for b in range(size):
                if indices_Nk[j, b] == i:
                    mutual_Nk[i, a] = True
                    break
    return mutual_Nk


@numba.njit(parallel=True, cache=True)
def _expand_block(
    lo, hi, threads, columns, values, count, features, indices, similarities, mutual, mutual_half
):
    for thread in numba.prange(threads):
        core = np.full(len(indices), -1, np.int32)  # core[j] == i: j is in R(i, k1)
        taken = np.full(len(indices), -1, np.int32)  # taken[j] == i: j is in the expanded set
        for i in range(lo + thread, hi, threads):
            members, weights = columns[i - lo], values[i - lo]
            num_core = 0
            for a in range(mutual.shape[1]):
                if mutual[i, a]:
                    core[indices[i, a]] = taken[indices[i, a]] = i
                    members[num_core] = indices[i, a]
                    weights[num_core] = similarities[i, a]
                    num_core += 1
            size = _add_half_sets(i, num_core, indices, mutual_half, core, taken, members)
            for m in range(num_core, size):
                weights[m] = _dot(features[i], features[members[m]])
            _softmax(weights, size)
            count[i - lo] = size


@numba.njit(cache=True)
def _add_half_sets(i, num_core, indices, mutual_half, core, taken, members):
    """Appends R(j, k1/2) of each j in R(i, k1) if more than 2/3 of it lies in R(i, k1) (eq. 4)."""
    size = num_core
    for m in range(num_core):
        j = members[m]
        total, inside = 0, 0
        for a in range(mutual_half.shape[1]):
            if mutual_half[j, a]:
                total += 1
                inside += core[indices[j, a]] == i
        if 3 * inside > 2 * total:  # the paper writes >=, the programs of this lineage use >
            for a in range(mutual_half.shape[1]):
                new = indices[j, a]
                if mutual_half[j, a] and taken[new] != i:
                    taken[new] = i
                    members[size] = new
                    size += 1
    return size


@numba.njit(fastmath={"reassoc", "contract"}, cache=True)
def _dot(left, right):
    total = np.float32(0)
    for d in range(len(left)):
        total += left[d] * right[d]
    return total


@numba.njit(cache=True)
def _softmax(weights, size):
    """Similarities to softmax(-(2 - 2 z_i.z_j)), in place (eq. 7 with unit features)."""
    total = 0.0
    for m in range(size):
        total += np.exp(2.0 * weights[m] - 2.0)
    for m in range(size):
        weights[m] = np.exp(2.0 * weights[m] - 2.0) / total


@numba.njit(parallel=True, cache=True)
def _average_block(
    lo, hi, threads, columns, values, count, indices, weight, v_starts, v_columns, v_values
):
    for thread in numba.prange(threads):
        total = np.zeros(len(indices))
        for i in range(lo + thread, hi, threads):
            size = 0
            for a in range(indices.shape[1]):
                j = indices[i, a]
                for e in range(v_starts[j], v_starts[j + 1]):
                    c = v_columns[e]
                    if total[c] == 0:
                        columns[i - lo, size] = c
                        size += 1
                    total[c] += weight[i, a] * v_values[e]
            for m in range(size):
                c = columns[i - lo, m]
                values[i - lo, m] = total[c]
                total[c] = 0
            count[i - lo] = size


@numba.njit(cache=True)
def _invert(starts, columns, values):
    """V by column, rows ascending, and where the column of each entry (i, c) goes on: rows > i."""
    num_rows = len(starts) - 1
    length = np.zeros(num_rows, np.int64)
    for c in columns:
        length[c] += 1
    ends = np.cumsum(length)
    cursor = ends - length
    rows, masses = np.empty_like(columns), np.empty_like(values)
    after = np.empty(len(columns), np.int64)
    for i in range(num_rows):
        for e in range(starts[i], starts[i + 1]):
            f = cursor[columns[e]]
            rows[f], masses[f], after[e] = i, values[e], f + 1
            cursor[columns[e]] += 1
    return ends, rows, masses, after


@numba.njit(parallel=True, cache=True)
def _pair_block(lo, hi, threads, out_j, out_distance, count, encoding, inverse, cutoff):
    starts, columns, values = encoding
    ends, rows, masses, after = inverse
    least = 2 * (1 - cutoff) / (2 - cutoff) - ROUNDING  # s of a pair at the cutoff
    for thread in numba.prange(threads):
        shared = np.zeros(len(ends))  # s(i, j) of the row at hand
        for i in range(lo + thread, hi, threads):
            for e in range(starts[i], starts[i + 1]):
                mass = values[e]
                for f in range(after[e], ends[columns[e]]):
                    shared[rows[f]] += min(mass, masses[f])
            size = 0
            # Reading the whole row costs less than keeping a list of what was touched.
            for j in range(i + 1, len(ends)):
                s = shared[j]
                shared[j] = 0
                if s == 0 or s < least:
                    continue
                distance = np.float32(1 - s / (2 - s))
                if distance < ROUNDING:
                    distance = SMALLEST_DISTANCE
                if distance < cutoff:
                    out_j[i - lo, size], out_distance[i - lo, size] = j, distance
                    size += 1
            count[i - lo] = size


@numba.njit(cache=True)
def _pack(starts, columns_BW, values_BW):
    columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    for r in range(len(starts) - 1):
        size = starts[r + 1] - starts[r]
        columns[starts[r] : starts[r + 1]] = columns_BW[r, :size]
        values[starts[r] : starts[r + 1]] = values_BW[r, :size]
    return columns, values


@numba.njit(cache=True)
def _mirror_block(first, starts, columns, values, cursor, out_columns, out_values):
    """Writes each pair (i, j) with i < j into row j; blocks in order leave every row sorted."""
    for r in range(len(starts) - 1):
        for e in range(starts[r], starts[r + 1]):
            j = columns[e]
            out_columns[cursor[j]], out_values[cursor[j]] = first + r, values[e]
            cursor[j] += 1


@numba.njit(cache=True)
def _complete_rows(starts, cursor, columns, values, diagonal):
    """Rows hold their entries left of the diagonal: adds the diagonal and the right part."""
    for j in range(len(cursor)):
        end = cursor[j]
        columns[end], values[end] = j, diagonal
        cursor[j] += 1
        for e in range(starts[j], end):
            i = columns[e]
            columns[cursor[i]], values[cursor[i]] = j, values[e]
            cursor[i] += 1
