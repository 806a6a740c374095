"""What a query finds, in order: which pictures, which of them are right, which take no rank."""

from typing import NamedTuple

import numpy as np

from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.protocol import Protocol
from pclhd_jax.evaluation.ranking import skipped


class RankList(NamedTuple):
    """The gallery of one trial, most similar to the query first; ties keep the gallery's order."""

    query: int  # row of protocol.query
    gallery_n: np.ndarray  # rows of protocol.gallery
    similarity_n: np.ndarray
    is_right_n: np.ndarray  # of the query's identity and not skipped
    is_skipped_n: np.ndarray  # by the protocol's rule (a camera): takes no rank
    average_precision: float  # NaN where nothing is right


class Entry(NamedTuple):
    """One picture of a list as it is shown."""

    gallery: int  # row of protocol.gallery
    rank: int  # from 1; 0 for a skipped picture
    is_right: bool
    similarity: float


def rank_query(
    protocol: Protocol, query_QD: np.ndarray, gallery_GD: np.ndarray, query: int, trial: int = 0
) -> RankList:
    """The list of one query, by inner product of unit rows.

    query_QD, gallery_GD: a row per picture of `protocol.query` and `protocol.gallery`.
    """
    rows_n = protocol.trials[trial]
    similarity_n = gallery_GD[rows_n] @ query_QD[query]
    order_n = np.argsort(-similarity_n, kind="stable")
    rows_n = rows_n[order_n]
    same_n = protocol.gallery.identities_N[rows_n] == protocol.query.identities_N[query]
    cameras = protocol.query.cameras_N[query], protocol.gallery.cameras_N[rows_n]
    skipped_n = skipped(protocol.rule, same_n, *cameras)
    right_n = same_n & ~skipped_n
    rank_n = np.cumsum(~skipped_n)
    precision_m = np.cumsum(right_n)[right_n] / rank_n[right_n]
    ap = float(precision_m.mean()) if len(precision_m) else float("nan")
    return RankList(query, rows_n, similarity_n[order_n], right_n, skipped_n, ap)


def average_precisions(
    protocol: Protocol, query_QD: np.ndarray, gallery_GD: np.ndarray, trial: int = 0
) -> np.ndarray:
    """(Q,) float64; NaN for a query without a match. Never more than one list in memory."""
    queries = range(len(protocol.query.paths))
    return np.array(
        [rank_query(protocol, query_QD, gallery_GD, q, trial).average_precision for q in queries]
    )


def worst_and_best(
    ap_Q: np.ndarray, identities_Q: np.ndarray, each: int
) -> tuple[np.ndarray, np.ndarray]:
    """Queries of the lowest average precision, lowest first, and of the highest, highest first.

    At most `each` of either and one of a person, so that they tell of many; none in both. Of equal
    ones the first. NaN: in neither.
    """
    valid_v = np.flatnonzero(~np.isnan(ap_Q))
    worst_w = one_each(valid_v[np.argsort(ap_Q[valid_v], kind="stable")], identities_Q)
    worst_w = worst_w[: min(each, (len(valid_v) + 1) // 2)]
    rest_v = np.setdiff1d(valid_v, worst_w)
    best_b = one_each(rest_v[np.argsort(-ap_Q[rest_v], kind="stable")], identities_Q)
    return worst_w, best_b[:each]


def one_each(queries_q: np.ndarray, identities_Q: np.ndarray) -> np.ndarray:
    """The first query of every identity, order kept."""
    _, first = np.unique(identities_Q[queries_q], return_index=True)
    return queries_q[np.sort(first)]


def entries(ranked: RankList, *, ranks: int = 10, most_skipped: int = 4) -> tuple[list[Entry], int]:
    """The first `ranks` pictures that count and, in their places, the skipped ones before them.

    Of these at most the first `most_skipped`; the second result counts the others.
    """
    shown, rank, num_skipped = [], 0, 0
    for place, row in enumerate(ranked.gallery_n):
        if rank == ranks:
            break
        is_skipped = ranked.is_skipped_n[place]
        num_skipped += is_skipped
        rank += not is_skipped
        if is_skipped and num_skipped > most_skipped:
            continue
        similarity = float(ranked.similarity_n[place])
        right = bool(ranked.is_right_n[place])
        shown.append(Entry(int(row), 0 if is_skipped else rank, right, similarity))
    return shown, max(0, int(num_skipped) - most_skipped)


def sides(protocol: Protocol) -> tuple[str, str]:
    """Modality of the queries, and of the gallery."""
    return MODALITIES if protocol.query_modality == "visible" else MODALITIES[::-1]
