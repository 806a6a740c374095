"""Cluster matching across modalities: progressive graph matching (Wu & Ye, CVPR 2023)."""

import numpy as np
from scipy.optimize import linear_sum_assignment


def match_clusters(
    centroids_KD: np.ndarray, centroids_LD: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gives every cluster a partner of the other modality, by the least sum of exp(-cosine).

    The first assignment is one to one. The clusters of the larger side left over are then assigned
    among themselves to all clusters of the smaller side, round after round, until none is left;
    the smaller side keeps its partner of the first round.

    Args:
      centroids_KD: cluster centroids of one modality, any length; normalised here.
      centroids_LD: of the other; K and L may be any two counts >= 1.

    Returns:
      int32 (K,) of clusters in [0, L) and int32 (L,) of clusters in [0, K).

    Raises:
      ValueError: a side without clusters, widths that differ, or a zero or non-finite centroid.
    """
    unit_KD, unit_LD = _unit(centroids_KD, "first"), _unit(centroids_LD, "second")
    if unit_KD.shape[1] != unit_LD.shape[1]:
        raise ValueError(
            f"centroids are {unit_KD.shape[1]} and {unit_LD.shape[1]} numbers wide; "
            "take both from the same encoder"
        )
    cost_KL = np.exp(-unit_KD @ unit_LD.T)
    if len(unit_KD) >= len(unit_LD):
        return _match_in_rounds(cost_KL)
    partner_L, partner_K = _match_in_rounds(cost_KL.T)
    return partner_K, partner_L


def _match_in_rounds(cost_KL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For K >= L."""
    partner_K = np.full(cost_KL.shape[0], -1, np.int32)
    rows, columns = linear_sum_assignment(cost_KL)
    partner_K[rows] = columns
    partner_L = np.empty(cost_KL.shape[1], np.int32)
    partner_L[columns] = rows
    while (left := np.flatnonzero(partner_K < 0)).size:
        rows, columns = linear_sum_assignment(cost_KL[left])
        partner_K[left[rows]] = columns
    return partner_K, partner_L


def _unit(centroids_KD: np.ndarray, side: str) -> np.ndarray:
    centroids_KD = np.asarray(centroids_KD, np.float64)
    if centroids_KD.ndim != 2 or not len(centroids_KD):
        raise ValueError(
            f"the {side} modality has centroids of shape {centroids_KD.shape}, at least 1 cluster "
            "is needed; raise DBSCAN's eps or lower min_samples"
        )
    norm_K1 = np.linalg.norm(centroids_KD, axis=1, keepdims=True)
    if not (np.isfinite(norm_K1) & (norm_K1 > 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(norm_K1) & (norm_K1 > 0)))[0])
        raise ValueError(
            f"centroid {bad} of the {side} modality has norm {norm_K1[bad, 0]}, it must be finite "
            "and above 0; look for nan or all-zero features"
        )
    return centroids_KD / norm_K1
