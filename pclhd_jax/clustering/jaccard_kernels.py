"""The loops of the Jaccard distance, compiled by numba.

A block kernel deals its rows to the threads like cards; each thread has one scratch array of
N numbers. A row is always summed by one thread in one order: the number of threads changes
nothing.
"""

import numba
import numpy as np

# What a zero distance is stored as: scikit-learn and SciPy drop explicit zeros.
SMALLEST_DISTANCE = np.finfo(np.float32).tiny
# V is float32, so equal rows come out up to 1e-7 apart; below this a distance is rounding.
ROUNDING = 1e-6


@numba.njit(parallel=True, cache=True)
def mutual(indices_Nk, size):
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
def expand_block(
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
def average_block(
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
def invert(starts, columns, values):
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
def pair_block(lo, hi, threads, out_j, out_distance, count, encoding, inverse, cutoff):
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
def pack(starts, columns_BW, values_BW):
    columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    for r in range(len(starts) - 1):
        size = starts[r + 1] - starts[r]
        columns[starts[r] : starts[r + 1]] = columns_BW[r, :size]
        values[starts[r] : starts[r + 1]] = values_BW[r, :size]
    return columns, values


@numba.njit(cache=True)
def mirror_block(first, starts, columns, values, cursor, out_columns, out_values):
    """Writes each pair (i, j) with i < j into row j; blocks in order leave every row sorted."""
    for r in range(len(starts) - 1):
        for e in range(starts[r], starts[r + 1]):
            j = columns[e]
            out_columns[cursor[j]], out_values[cursor[j]] = first + r, values[e]
            cursor[j] += 1


@numba.njit(cache=True)
def complete_rows(starts, cursor, columns, values, diagonal):
    """Rows hold their entries left of the diagonal: adds the diagonal and the right part."""
    for j in range(len(cursor)):
        end = cursor[j]
        columns[end], values[end] = j, diagonal
        cursor[j] += 1
        for e in range(starts[j], end):
            i = columns[e]
            columns[cursor[i]], values[cursor[i]] = j, values[e]
            cursor[i] += 1
