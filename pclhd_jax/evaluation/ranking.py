"""CMC, mAP and mINP of a similarity matrix, under the rules of each benchmark."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

MAX_RANK = 20
PROTOCOLS = ("sysu", "regdb", "llcm")
_CHUNK_CELLS = 2**20  # Queries are ranked in chunks of about this many cells: some 50 MB at a time.


class RankingMetrics(NamedTuple):
    """Means over the `num_valid` queries that have a match; all fractions in 0..1.

    cmc: float64 (20,), Rank-1 is cmc[0]; mean_ap: mAP; mean_inp: mINP.
    """

    cmc: np.ndarray
    mean_ap: float
    mean_inp: float
    num_valid: int


class PictureNumbers(NamedTuple):
    """Of the queries or of the gallery, an integer per picture; cameras None where no rule asks."""

    identities: np.ndarray
    cameras: np.ndarray | None


def evaluate_ranking(
    similarity_QG: np.ndarray,
    query_ids: np.ndarray,
    gallery_ids: np.ndarray,
    query_cams: np.ndarray | None,
    gallery_cams: np.ndarray | None,
    *,
    protocol: str,
) -> RankingMetrics:
    """Ranks the gallery of every query, most similar first; ties keep the gallery's order.

    similarity_QG: larger is closer; ids and cams: integers (Q,) and (G,).
    protocol: 'sysu': a query of camera 3 skips the pictures of camera 2 (the same place), CMC
    counts each identity once; 'llcm': the query's identity under its own camera number is skipped,
    CMC counts each identity once; 'regdb': nothing is skipped, ordinary CMC, cams may be None.
    mAP and mINP are over all pictures not skipped; mINP is the mean of matches / rank of the last
    match. Queries left without a match are dropped. Beyond the end of a short list CMC keeps its
    last value.
    Raises ValueError for wrong shapes, NaN, unknown identities (-1), no valid query.
    Sources: Wu et al., ICCV 2017 (sysu); Zhang & Wang, CVPR 2023 (llcm); Ye et al., TPAMI 2021
    (mINP).
    """
    similarity_QG = np.asarray(similarity_QG)
    sides = PictureNumbers(query_ids, query_cams), PictureNumbers(gallery_ids, gallery_cams)
    return evaluate_blocks([similarity_QG], similarity_QG.shape, *sides, protocol=protocol)


def evaluate_blocks(
    blocks: Iterable[np.ndarray],
    sizes: tuple[int, int],
    query: PictureNumbers,
    gallery: PictureNumbers,
    *,
    protocol: str,
) -> RankingMetrics:
    """`evaluate_ranking` of a similarity matrix that comes in blocks of rows, in order.

    The same numbers, to the last bit, however the rows are cut. sizes: queries and gallery.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; use one of {', '.join(PROTOCOLS)}")
    if len(sizes) != 2 or 0 in sizes:
        raise ValueError(f"similarity has shape {sizes}; give (queries, gallery), both at least 1")
    num_queries, num_gallery = sizes
    query_ids = _identities(query.identities, num_queries, "query")
    gallery_ids = _identities(gallery.identities, num_gallery, "gallery")
    if protocol == "regdb":
        query_cams, gallery_cams = np.zeros(num_queries, int), np.zeros(num_gallery, int)
    else:
        query_cams = _integers(query.cameras, num_queries, "query cameras")
        gallery_cams = _integers(gallery.cameras, num_gallery, "gallery cameras")

    groups_G = np.arange(num_gallery) if protocol == "regdb" else gallery_ids
    parts = []
    for start, similarity_CG in _cut(blocks, max(1, _CHUNK_CELLS // num_gallery)):
        rows = slice(start, start + len(similarity_CG))
        same = query_ids[rows, None] == gallery_ids
        skip = skipped(protocol, same, query_cams[rows, None], gallery_cams)
        parts.append(_rank_queries(_finite(similarity_CG, start), same, skip, groups_G))
    place_Q, ap_Q, inp_Q = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _means(place_Q, ap_Q, inp_Q, protocol)


def _cut(blocks: Iterable[np.ndarray], step: int) -> Iterable[tuple[int, np.ndarray]]:
    """(number of the first row, at most `step` rows)."""
    first = 0
    for block_BG in blocks:
        for start in range(0, len(block_BG), step):
            yield first + start, block_BG[start : start + step]
        first += len(block_BG)


def skipped(
    protocol: str, same_QG: np.ndarray, query_cams_Q1: np.ndarray, gallery_cams_G: np.ndarray
) -> np.ndarray:
    """Which gallery pictures take no rank for which query, by a protocol's rule; see above."""
    if protocol == "sysu":
        return (query_cams_Q1 == 3) & (gallery_cams_G == 2)
    if protocol == "llcm":
        return same_QG & (query_cams_Q1 == gallery_cams_G)
    return np.zeros_like(same_QG)


def _rank_queries(
    similarity_QG: np.ndarray, same_QG: np.ndarray, skip_QG: np.ndarray, groups_G: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per query: groups ahead of the first match (-1: no match), average precision, INP."""
    num_gallery = similarity_QG.shape[1]
    match_QG = same_QG & ~skip_QG
    order_QG = np.argsort(-similarity_QG, axis=1, kind="stable")
    found_QG = np.take_along_axis(match_QG, order_QG, axis=1)
    rank_QG = np.cumsum(~np.take_along_axis(skip_QG, order_QG, axis=1), axis=1, dtype=np.int32)
    hits_QG = np.cumsum(found_QG, axis=1, dtype=np.int32)
    total_Q = hits_QG[:, -1]
    # Queries without a match divide by one here and are dropped by the caller.
    precision_QG = np.where(found_QG, hits_QG / np.maximum(rank_QG, 1), 0.0)
    ap_Q = precision_QG.sum(axis=1) / np.maximum(total_Q, 1)
    inp_Q = total_Q / np.maximum(np.where(found_QG, rank_QG, 0).max(axis=1), 1)

    # A group (an identity, or a single picture for ordinary CMC) stands where its first picture
    # that is not skipped stands; the query's place counts the groups in front of its own.
    position_QG = np.empty_like(order_QG)
    np.put_along_axis(position_QG, order_QG, np.arange(num_gallery)[None], axis=1)
    columns = np.argsort(groups_G, kind="stable")
    starts = np.flatnonzero(np.diff(groups_G[columns], prepend=groups_G[columns[0]] - 1))
    standing_QG = np.where(skip_QG, num_gallery, position_QG)[:, columns]
    first_QI = np.minimum.reduceat(standing_QG, starts, axis=1)
    own_Q = np.where(match_QG, position_QG, num_gallery).min(axis=1)
    place_Q = np.where(total_Q > 0, (first_QI < own_Q[:, None]).sum(axis=1), -1)
    return place_Q, ap_Q, inp_Q


def _means(
    place_Q: np.ndarray, ap_Q: np.ndarray, inp_Q: np.ndarray, protocol: str
) -> RankingMetrics:
    valid_Q = place_Q >= 0
    num_valid = int(valid_Q.sum())
    if num_valid == 0:
        raise ValueError(
            f"0 of {place_Q.size:,} queries have a match in the gallery under the {protocol!r} "
            "rules, at least 1 is needed; check that both lists number identities and cameras alike"
        )
    counts = np.bincount(np.minimum(place_Q[valid_Q], MAX_RANK), minlength=MAX_RANK + 1)
    cmc = np.cumsum(counts[:MAX_RANK]) / num_valid
    return RankingMetrics(cmc, float(ap_Q[valid_Q].mean()), float(inp_Q[valid_Q].mean()), num_valid)


def _finite(similarity_QG: np.ndarray, start: int) -> np.ndarray:
    """Float rows without NaN: a NaN has no place in a ranking, NumPy would put it last."""
    if similarity_QG.dtype not in (np.float32, np.float64):
        similarity_QG = similarity_QG.astype(np.float64)
    bad_Q = np.isnan(similarity_QG).any(axis=1)
    if bad_Q.any():
        raise ValueError(
            f"similarity holds NaN, first in query row {start + int(bad_Q.argmax())}; features "
            "with NaN come from a diverged model: evaluate an earlier checkpoint"
        )
    return similarity_QG


def _identities(ids: np.ndarray, size: int, side: str) -> np.ndarray:
    ids = _integers(ids, size, f"{side} identities")
    if (ids < 0).any():
        raise ValueError(
            f"{int((ids < 0).sum()):,} of {size:,} {side} identities are unknown (negative); "
            "rankings need them all: leave these pictures out or label them"
        )
    return ids


def _integers(values: np.ndarray | None, size: int, name: str) -> np.ndarray:
    values = np.asarray(values if values is not None else [])
    if values.shape != (size,) or values.dtype.kind not in "iu":
        raise ValueError(
            f"{name} have shape {values.shape} and type {values.dtype}, similarity asks for "
            f"({size},) integers; give one integer per picture"
        )
    return values.astype(np.int64)
