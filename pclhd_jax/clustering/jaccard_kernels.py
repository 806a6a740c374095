"""The loops of the Jaccard distance, compiled by numba.

A block kernel deals its rows to the threads like cards; each thread has one scratch array of
N numbers. A row is always summed by one thread in one order: the number of threads changes
nothing.
"""

import os

# Before numba reads it: the host clusters while the device works, which on a CPU are the same
# cores. Threads that wait must sleep: spinning, all of it took 1.4 x as long beside two busy loops.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numba
import numpy as np

from pclhd_jax.clustering.compiled_loops import compiled

# What a zero distance is stored as: scikit-learn and SciPy drop explicit zeros.
SMALLEST_DISTANCE = np.finfo(np.float32).tiny
# V is float32, so equal rows come out up to 1e-7 apart; below this a distance is rounding.
ROUNDING = 1e-6
# Part of the shared mass a close pair needs that its most frequent columns may hold. Measured:
# between 0.75 and 0.92 the time moves by a tenth, at 0.97 too many pairs are completed.
LEFT_OUT = 0.85


@compiled(parallel=True, nogil=True)
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


@compiled(parallel=True, nogil=True)
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


@compiled(nogil=True)
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


@compiled(fastmath={"reassoc", "contract"})
def _dot(left, right):
    total = np.float32(0)
    for d in range(len(left)):
        total += left[d] * right[d]
    return total


@compiled(nogil=True)
def _softmax(weights, size):
    """Similarities to softmax(-(2 - 2 z_i.z_j)), in place (eq. 7, for unit features)."""
    total = 0.0
    for m in range(size):
        total += np.exp(2.0 * weights[m] - 2.0)
    for m in range(size):
        weights[m] = np.exp(2.0 * weights[m] - 2.0) / total


@compiled(parallel=True, nogil=True)
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


@compiled(nogil=True)
def entries_above(starts, columns):
    """For each entry (i, c) of V, how many rows <= i hold column c."""
    held = np.zeros(len(starts) - 1, np.int32)
    count = np.empty(len(columns), np.int32)
    for e in range(len(columns)):
        held[columns[e]] += 1
        count[e] = held[columns[e]]
    return count


@compiled(parallel=True, nogil=True)
def pair_block(lo, hi, threads, out_j, out_distance, count, by_row, by_column, above, cutoff):
    """Pairs i < j at a distance below the cutoff, for rows [lo, hi).

    s(i, j) is summed over the columns of row i from rare to frequent. The most frequent ones, of
    too little mass to bring a pair to the cutoff, are left out first: their lists of rows are the
    longest, and only the few pairs that come close without them are completed with them.
    """
    starts, columns = by_row[:2]
    least = least_shared(cutoff)
    for thread in numba.prange(threads):
        shared = np.zeros(len(starts) - 1)  # s(i, j) of the row at hand, so far
        frequent = np.zeros(len(starts) - 1, np.float32)  # V of the row at hand, columns left out
        touched = np.empty(len(starts), np.int32)
        for i in range(lo + thread, hi, threads):
            split, left_out = _leave_out(i, by_row, LEFT_OUT * least, frequent)
            num_touched = _add_shared(i, split, by_row, by_column, above, shared, touched)
            close = _pick_close(num_touched, least - left_out, shared, touched)
            first_left_out = columns[split] if split < starts[i + 1] else len(frequent)
            size = 0
            for j in close:
                s = shared[j] + _frequent_shared(j, first_left_out, by_row, frequent)
                shared[j] = 0
                distance = np.float32(1 - s / (2 - s))
                if distance < ROUNDING:
                    distance = SMALLEST_DISTANCE
                if distance < cutoff:
                    out_j[i - lo, size], out_distance[i - lo, size] = j, distance
                    size += 1
            for e in range(split, starts[i + 1]):
                frequent[columns[e]] = 0
            count[i - lo] = size


@compiled(nogil=True)
def _leave_out(i, by_row, most, frequent):
    """The last entries of row i, of mass up to `most`, into `frequent`; where they begin."""
    starts, columns, values = by_row
    split, mass = starts[i + 1], 0.0
    while split > starts[i] and mass + values[split - 1] <= most:
        split -= 1
        mass += values[split]
        frequent[columns[split]] = values[split]
    return split, mass


@compiled(nogil=True)
def _add_shared(i, split, by_row, by_column, above, shared, touched):
    """s(i, j) over the entries of row i before `split`, for j > i; returns how many j there are."""
    starts, columns, values = by_row
    heads, rows, masses = by_column
    size = 0
    for e in range(starts[i], split):
        mass = values[e]
        for f in range(heads[columns[e]] + above[e], heads[columns[e] + 1]):
            j = rows[f]
            touched[size] = j
            size += shared[j] == 0
            shared[j] += min(mass, masses[f])
    return size


@compiled(nogil=True)
def _pick_close(num_touched, needed, shared, touched):
    """The touched rows with at least `needed`, ascending; the others' sums are cleared."""
    size = 0
    for m in range(num_touched):
        j = touched[m]
        if shared[j] < needed:
            shared[j] = 0
        else:
            touched[size] = j
            size += 1
    return np.sort(touched[:size])


@compiled(nogil=True)
def _frequent_shared(j, first, by_row, frequent):
    """The part of s(i, j) over columns from `first` on."""
    starts, columns, values = by_row
    s = 0.0
    e = starts[j + 1] - 1
    while e >= starts[j] and columns[e] >= first:
        s += min(frequent[columns[e]], values[e])
        e -= 1
    return s


@compiled(nogil=True)
def least_shared(cutoff):
    """The s of a pair at the cutoff; rows sum to 1, so that distance = 1 - s / (2 - s)."""
    return max(0.0, 2 * (1 - cutoff) / (2 - cutoff) - ROUNDING)


@compiled(nogil=True)
def pack(starts, columns_BW, values_BW):
    columns, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    for r in range(len(starts) - 1):
        size = starts[r + 1] - starts[r]
        columns[starts[r] : starts[r + 1]] = columns_BW[r, :size]
        values[starts[r] : starts[r + 1]] = values_BW[r, :size]
    return columns, values


@compiled(nogil=True)
def mirror_block(first, starts, columns, values, cursor, out_columns, out_values):
    """Writes each pair (i, j) with i < j into row j; blocks in order leave every row sorted."""
    for r in range(len(starts) - 1):
        for e in range(starts[r], starts[r + 1]):
            j = columns[e]
            out_columns[cursor[j]], out_values[cursor[j]] = first + r, values[e]
            cursor[j] += 1


@compiled(nogil=True)
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
