"""The neighbour lists of an epoch: within each modality, or also over both by the same products."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pclhd_jax.clustering.neighbour_lists import NeighbourLists, finished, merged, stacked
from pclhd_jax.clustering.neighbour_search import (
    DEFAULT_SEARCH,
    SearchOptions,
    checked,
    nearest_columns,
    nearest_neighbours,
    squares,
)


class EpochNeighbourLists(NamedTuple):
    """Lists within each modality, and over both with the visible rows first (None: not asked)."""

    visible: NeighbourLists
    infrared: NeighbourLists
    joint: NeighbourLists | None


def search_apart(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    *,
    num_neighbours: int,
    l2: bool = False,
    options: SearchOptions = DEFAULT_SEARCH,
) -> EpochNeighbourLists:
    """`nearest_neighbours` of each modality. Its arguments and errors."""
    pairs, total = len(visible_ND) ** 2, len(visible_ND) ** 2 + len(infrared_ND) ** 2
    search = partial(nearest_neighbours, num_neighbours=num_neighbours, l2=l2)
    return EpochNeighbourLists(
        search(visible_ND, options=options.counted_on(0, total)),
        search(infrared_ND, options=options.counted_on(pairs, total)),
        None,
    )


def search_apart_and_joint(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    *,
    own_neighbours: int,
    joint_neighbours: int,
    l2: bool = False,
    options: SearchOptions = DEFAULT_SEARCH,
) -> EpochNeighbourLists:
    """`nearest_neighbours` of each modality and of both together, from one set of products.

    A joint list is merged from the nearest of the own and of the other modality, so the products
    within a modality serve both. Of SYSU-MM01's 1.8e9 that is a third.

    Args:
      own_neighbours, joint_neighbours: lengths of the lists, the row itself included.
      The others, and the errors, are those of `nearest_neighbours`. A share is one of the visible
      rows and one of the infrared rows.
    """
    longest = max(own_neighbours, joint_neighbours)
    least = min(own_neighbours, joint_neighbours)
    visible_ND = checked(visible_ND, least, options)
    infrared_ND = checked(infrared_ND, least, options)
    num_visible, num_infrared = len(visible_ND), len(infrared_ND)
    pairs = (num_visible**2, num_infrared**2, num_visible * num_infrared)
    parts = [
        options.counted_on(before, (num_visible + num_infrared) ** 2)
        for before in (0, pairs[0], pairs[0] + pairs[1], sum(pairs))
    ]
    search = partial(nearest_columns, k=longest)
    square_V, square_R = squares(visible_ND), squares(infrared_ND)
    of_V, of_R = (square_V, square_R) if l2 else (None, None)
    visible = search(visible_ND, visible_ND, of_V, own=True, options=parts[0])
    infrared = search(infrared_ND, infrared_ND, of_R, own=True, options=parts[1])
    to_infrared = search(visible_ND, infrared_ND, of_R, own=False, options=parts[2])
    to_visible = search(infrared_ND, visible_ND, of_V, own=False, options=parts[3])

    of_visible = merged(visible, _shifted(to_infrared, num_visible), joint_neighbours)
    of_infrared = merged(to_visible, _shifted(infrared, num_visible), joint_neighbours)
    own_V = square_V[slice(*options.rows(num_visible))]
    own_R = square_R[slice(*options.rows(num_infrared))]
    joint = stacked([of_visible, of_infrared]), np.concatenate([own_V, own_R])
    return EpochNeighbourLists(
        finished(visible, own_V, square_V, own_neighbours, l2),
        finished(infrared, own_R, square_R, own_neighbours, l2),
        finished(*joint, np.concatenate([square_V, square_R]), joint_neighbours, l2),
    )


def joined(shares: Sequence[EpochNeighbourLists]) -> EpochNeighbourLists:
    """The lists of all rows, from those of every process in the order of their numbers."""
    visible = stacked([lists.visible for lists in shares])
    infrared = stacked([lists.infrared for lists in shares])
    if shares[0].joint is None:
        return EpochNeighbourLists(visible, infrared, None)
    of_visible, of_infrared = [], []
    for lists in shares:
        num_visible = len(lists.visible.indices_Nk)
        of_visible.append(NeighbourLists(*(x[:num_visible] for x in lists.joint)))
        of_infrared.append(NeighbourLists(*(x[num_visible:] for x in lists.joint)))
    return EpochNeighbourLists(visible, infrared, stacked(of_visible + of_infrared))


def _shifted(lists: NeighbourLists, by: int) -> NeighbourLists:
    return lists._replace(indices_Nk=lists.indices_Nk + np.int32(by))
