"""Sparse rows, made a block of rows at a time by a compiled kernel."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numba
import numpy as np

from pclhd_jax.clustering.jaccard_kernels import pack

# Rows worked on at a time: their buffers are as wide as the widest row could be, and bounded.
BLOCK_ROWS = 512
BLOCK_ENTRIES = 2**24


class SparseRows(NamedTuple):
    """Rows of unequal length: row r holds columns[starts[r]:starts[r + 1]], in any order."""

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def by_blocks(kernel: Callable, inputs: tuple, num_rows: int, width: int) -> Iterator[SparseRows]:
    """Rows [lo, hi) at a time: the kernel fills wide buffers, what it filled is packed."""
    width = min(width, num_rows)
    threads = numba.get_num_threads()  # asked here: inside a kernel it would prevent caching
    block_rows = min(num_rows, max(threads, min(BLOCK_ROWS, BLOCK_ENTRIES // width)))
    columns_BW = np.empty((block_rows, width), np.int32)
    values_BW = np.empty((block_rows, width), np.float32)
    count_B = np.zeros(block_rows, np.int64)
    for lo in range(0, num_rows, block_rows):
        hi = min(lo + block_rows, num_rows)
        kernel(lo, hi, threads, columns_BW, values_BW, count_B, *inputs)
        starts = np.concatenate(([0], np.cumsum(count_B[: hi - lo])))
        yield SparseRows(starts, *pack(starts, columns_BW, values_BW))


def stack(blocks: Iterator[SparseRows]) -> SparseRows:
    blocks = list(blocks)
    length_N = np.concatenate([np.diff(block.starts) for block in blocks])
    return SparseRows(
        np.concatenate(([0], np.cumsum(length_N))),
        np.concatenate([block.columns for block in blocks]),
        np.concatenate([block.values for block in blocks]),
    )
