"""The score of a protocol: means over its trials."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.protocol import Protocol
from pclhd_jax.evaluation.ranking import PictureNumbers, RankingMetrics, evaluate_blocks

# Similarities at a time: 64 MB. The galleries of the published sets fit into one block.
_BLOCK_CELLS = 2**24


class Score(NamedTuple):
    """Means over trials; fractions in 0..1. num_valid and gallery_size: one number per trial.

    cmc: float64 (20,). The two `_std` are population standard deviations over trials.
    """

    name: str
    num_queries: int
    num_valid: tuple[int, ...]
    gallery_size: tuple[int, ...]
    num_trials: int
    cmc: np.ndarray
    mean_ap: float
    mean_inp: float
    rank1_std: float
    mean_ap_std: float


def score(
    protocol: Protocol, query_features_QD: np.ndarray, gallery_features_GD: np.ndarray
) -> Score:
    """Scores unit features by inner product, over all trials of the protocol.

    query_features_QD, gallery_features_GD: one L2-normalised row per picture of `protocol.query`
    and `protocol.gallery`. Raises ValueError for other shapes, for rows that are not of unit
    length, and as `evaluate_ranking`.
    """
    query_QD = _unit_rows(query_features_QD, protocol.query, "query")
    gallery_GD = _unit_rows(gallery_features_GD, protocol.gallery, "gallery")
    if query_QD.shape[1] != gallery_GD.shape[1]:
        raise ValueError(
            f"query features are {query_QD.shape[1]:,} wide, gallery features "
            f"{gallery_GD.shape[1]:,}; compute both with one model"
        )
    if not protocol.trials:
        raise ValueError(f"{protocol.name} has 0 trials, at least 1 is needed; draw its galleries")

    query, gallery = protocol.query, protocol.gallery

    def result_of(trial: np.ndarray) -> RankingMetrics:
        return evaluate_blocks(
            similarity_blocks(query_QD, gallery_GD[trial]),
            (len(query_QD), len(trial)),
            PictureNumbers(query.identities_N, query.cameras_N),
            PictureNumbers(gallery.identities_N[trial], gallery.cameras_N[trial]),
            protocol=protocol.rule,
        )

    # NumPy sorts without the interpreter lock.
    with ThreadPoolExecutor(min(len(protocol.trials), os.cpu_count() or 1)) as pool:
        results = list(pool.map(result_of, protocol.trials))
    cmc_TR = np.stack([result.cmc for result in results])
    ap_T = np.array([result.mean_ap for result in results])
    return Score(
        name=protocol.name,
        num_queries=len(protocol.query.paths),
        num_valid=tuple(result.num_valid for result in results),
        gallery_size=tuple(len(trial) for trial in protocol.trials),
        num_trials=len(results),
        cmc=cmc_TR.mean(axis=0),
        mean_ap=float(ap_T.mean()),
        mean_inp=float(np.mean([result.mean_inp for result in results])),
        rank1_std=float(cmc_TR[:, 0].std()),
        mean_ap_std=float(ap_T.std()),
    )


def similarity_blocks(query_QD: np.ndarray, gallery_GD: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of query @ gallery.T, some at a time: of large sets the whole would not fit."""
    # Blocks of nearly one length: BLAS takes another way, and rounds otherwise, for a single row.
    num_blocks = -(-query_QD.shape[0] * len(gallery_GD) // _BLOCK_CELLS)
    for rows_BD in np.array_split(query_QD, max(1, num_blocks)):
        yield rows_BD @ gallery_GD.T


def _unit_rows(features: np.ndarray, pictures: Pictures, side: str) -> np.ndarray:
    features = np.asarray(features)
    if features.ndim != 2 or len(features) != len(pictures.paths):
        raise ValueError(
            f"{side} features have shape {features.shape}, the protocol lists "
            f"{len(pictures.paths):,} {side} pictures; give one row per picture"
        )
    features = features.astype(np.float32, copy=False)
    length_N = np.linalg.norm(features, axis=1)
    # NaN passes here: the ranking names it. One per cent leaves room for bfloat16 features.
    far_N = np.abs(length_N - 1) > 0.01
    if far_N.any():
        raise ValueError(
            f"{int(far_N.sum()):,} of {len(features):,} {side} features are not of unit length "
            f"(the first has {length_N[far_N.argmax()]:.3f}, the limit is 1 +- 0.01); "
            "L2-normalise them"
        )
    return features
