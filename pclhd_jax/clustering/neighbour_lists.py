"""Lists of nearest rows: merged, stacked, finished."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class NeighbourLists(NamedTuple):
    """Nearest first, the row itself in column 0; equally near ones by row number."""

    indices_Nk: np.ndarray  # int32
    similarities_Nk: np.ndarray  # float32, inner products


def merged(lower: NeighbourLists, higher: NeighbourLists, k: int) -> NeighbourLists:
    """The k nearest of two lists; every number in `lower` is below every one in `higher`."""
    similarities = np.concatenate([lower.similarities_Nk, higher.similarities_Nk], axis=1)
    indices = np.concatenate([lower.indices_Nk, higher.indices_Nk], axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return NeighbourLists(*(np.take_along_axis(x, order, axis=1) for x in (indices, similarities)))


def stacked(parts: Sequence[NeighbourLists]) -> NeighbourLists:
    """Lists of rows one below the other."""
    return NeighbourLists(*map(np.concatenate, zip(*parts, strict=True)))


def finished(
    lists: NeighbourLists, own_square_n: np.ndarray, square_N: np.ndarray, k: int, l2: bool
) -> NeighbourLists:
    """The first k; up to here a row's similarity to itself was inf, so that none came before it.

    own_square_n: |z|^2 of the rows that the lists are of; square_N: of those that they name.
    """
    lists = NeighbourLists(*(np.ascontiguousarray(x[:, :k]) for x in lists))
    if l2:
        lists = lists._replace(
            similarities_Nk=lists.similarities_Nk + square_N[lists.indices_Nk] / 2
        )
    lists.similarities_Nk[:, 0] = own_square_n
    return lists
