"""Neighbour lists of both modalities, apart or also over both, by one set of products."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from pclhd_jax.clustering.neighbour_lists import Neighbours, finished, merged, stacked
from pclhd_jax.clustering.neighbours import (
    BLOCK_ROWS,
    TILE_ROWS,
    Report,
    checked,
    counted_on,
    nearest_neighbours,
    search,
    squares,
)
from pclhd_jax.clustering.shares import WHOLE, Share


class ModalityNeighbours(NamedTuple):
    """Lists within each modality, and over both with the visible rows first (None: not asked)."""

    visible: Neighbours
    infrared: Neighbours
    joint: Neighbours | None


def neighbours_apart(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    *,
    num_neighbours: int,
    l2: bool = False,
    share: Share = WHOLE,
    report: Report | None = None,
) -> ModalityNeighbours:
    """`nearest_neighbours` of each modality. Its arguments and errors."""
    pairs = len(visible_ND) ** 2, len(infrared_ND) ** 2
    reports = counted_on(report, 0, sum(pairs)), counted_on(report, pairs[0], sum(pairs))
    alike = dict(num_neighbours=num_neighbours, l2=l2, share=share)
    visible = nearest_neighbours(visible_ND, report=reports[0], **alike)
    return ModalityNeighbours(
        visible, nearest_neighbours(infrared_ND, report=reports[1], **alike), None
    )


def neighbours_by_modality(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    *,
    own_neighbours: int,
    joint_neighbours: int,
    l2: bool = False,
    block_rows: int = BLOCK_ROWS,
    tile_rows: int = TILE_ROWS,
    share: Share = WHOLE,
    report: Report | None = None,
) -> ModalityNeighbours:
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
    visible_ND = checked(visible_ND, least, block_rows, tile_rows)
    infrared_ND = checked(infrared_ND, least, block_rows, tile_rows)
    search_share = partial(
        search, k=longest, block_rows=block_rows, tile_rows=tile_rows, share=share
    )
    num_visible, num_infrared = len(visible_ND), len(infrared_ND)
    pairs = (num_visible**2, num_infrared**2, num_visible * num_infrared)
    reports = [
        counted_on(report, before, (num_visible + num_infrared) ** 2)
        for before in (0, pairs[0], pairs[0] + pairs[1], sum(pairs))
    ]
    square_V, square_R = squares(visible_ND), squares(infrared_ND)
    of_V, of_R = (square_V, square_R) if l2 else (None, None)
    visible = search_share(visible_ND, visible_ND, of_V, own=True, report=reports[0])
    infrared = search_share(infrared_ND, infrared_ND, of_R, own=True, report=reports[1])
    to_infrared = search_share(visible_ND, infrared_ND, of_R, own=False, report=reports[2])
    to_visible = search_share(infrared_ND, visible_ND, of_V, own=False, report=reports[3])

    of_visible = merged(visible, _shifted(to_infrared, num_visible), joint_neighbours)
    of_infrared = merged(to_visible, _shifted(infrared, num_visible), joint_neighbours)
    own_V = square_V[slice(*share.rows(num_visible, block_rows))]
    own_R = square_R[slice(*share.rows(num_infrared, block_rows))]
    joint = stacked([of_visible, of_infrared]), np.concatenate([own_V, own_R])
    return ModalityNeighbours(
        finished(visible, own_V, square_V, own_neighbours, l2),
        finished(infrared, own_R, square_R, own_neighbours, l2),
        finished(*joint, np.concatenate([square_V, square_R]), joint_neighbours, l2),
    )


def joined(shares: Sequence[ModalityNeighbours]) -> ModalityNeighbours:
    """The lists of all rows, from those of every process in the order of their numbers."""
    visible = stacked([lists.visible for lists in shares])
    infrared = stacked([lists.infrared for lists in shares])
    if shares[0].joint is None:
        return ModalityNeighbours(visible, infrared, None)
    of_visible, of_infrared = [], []
    for lists in shares:
        num_visible = len(lists.visible.indices_Nk)
        of_visible.append(Neighbours(*(x[:num_visible] for x in lists.joint)))
        of_infrared.append(Neighbours(*(x[num_visible:] for x in lists.joint)))
    return ModalityNeighbours(visible, infrared, stacked(of_visible + of_infrared))


def _shifted(lists: Neighbours, by: int) -> Neighbours:
    return lists._replace(indices_Nk=lists.indices_Nk + np.int32(by))
