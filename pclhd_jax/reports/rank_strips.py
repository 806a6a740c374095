"""Rank lists as pictures: the query, then what it finds, framed."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pclhd_jax.data.protocol import Protocol
from pclhd_jax.reports.rank_lists import Entry, entries, rank_query, sides
from pclhd_jax.reports.thumbnails import HEIGHT, framed, mark_of, strip

NUM_QUERIES, CURVES_HEIGHT = 4, 80  # for TensorBoard: small, for they come with every evaluation


def thumbnails(
    query_HWC: np.ndarray,
    gallery_NHWC: np.ndarray,
    shown: Sequence[Entry],
    *,
    height: int = HEIGHT,
) -> list[np.ndarray]:
    """The query in black, then every entry in the frame of what it is.

    gallery_NHWC: a row per picture of `protocol.gallery`.
    """
    draw = partial(framed, height=height)
    found = [draw(gallery_NHWC[e.gallery], mark_of(e.rank, e.is_right)) for e in shown]
    return [draw(query_HWC, "query"), *found]


def few_rank_lists(
    protocol: Protocol, test_NHWC: dict[str, np.ndarray], z: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """By name, the lists of a few queries spread over the protocol's: the same ones every epoch.

    test_NHWC, z: pictures and unit rows, by modality.
    """
    query_side, gallery_side = sides(protocol)
    last = len(protocol.query.paths) - 1
    queries = np.unique(np.linspace(0, last, NUM_QUERIES).round().astype(int))
    strips = {}
    for query in queries.tolist():
        shown, _ = entries(rank_query(protocol, z[query_side], z[gallery_side], query))
        images = test_NHWC[query_side][query], test_NHWC[gallery_side]
        pictures = thumbnails(*images, shown, height=CURVES_HEIGHT)
        strips[f"{protocol.name}/query {query}"] = strip(pictures)
    return strips
