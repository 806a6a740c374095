"""What other values of DBSCAN's eps would make of the same distances."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.neighbors import sort_graph_by_row_values

from pclhd_jax.clustering.both_modalities import keep_mixed
from pclhd_jax.clustering.labels import cluster_quality, labels_from_distance


class SweepRow(NamedTuple):
    """The clusters at one eps; shares are of all N pictures, in [0, 1]."""

    eps: float
    num_clusters: int
    num_mixed: int | None  # clusters that hold both modalities; None without modalities
    outlier_share: float
    largest_share: float  # of the largest cluster; 0 where there is none
    adjusted_rand_index: float | None  # None without identities


def eps_sweep(
    distance_NN: sparse.csr_matrix,
    eps_E: Sequence[float],
    *,
    min_samples: int,
    modality_N: np.ndarray | None = None,
    identities_N: np.ndarray | None = None,
) -> list[SweepRow]:
    """The labels that `pseudo_labels` would give at every eps, summed up.

    Args:
      distance_NN: as `jaccard.jaccard_distance` returns it, its cutoff above every eps; left as
        it is. Rows already in order of distance spare a copy.
      eps_E: values in (0, 1).
      modality_N: 0 or 1; the distances must have been made with the same.
      identities_N: integers, all of them known.

    Raises:
      ValueError: an argument out of its range.
    """
    distance_NN = in_order(distance_NN)
    return [
        sweep_row(
            eps,
            labels_from_distance(distance_NN, eps=eps, min_samples=min_samples),
            modality_N,
            identities_N,
        )
        for eps in eps_E
    ]


def sweep_row(
    eps: float,
    labels_N: np.ndarray,
    modality_N: np.ndarray | None = None,
    identities_N: np.ndarray | None = None,
) -> SweepRow:
    """One row, from the labels at its eps (-1 = outlier)."""
    size_K = np.bincount(labels_N[labels_N >= 0])
    num_mixed = ari = None
    if modality_N is not None:
        num_mixed = int(keep_mixed(labels_N, modality_N).max()) + 1
    if identities_N is not None:
        ari = cluster_quality(labels_N, identities_N).adjusted_rand_index
    return SweepRow(
        eps=float(eps),
        num_clusters=len(size_K),
        num_mixed=num_mixed,
        outlier_share=float(np.mean(labels_N < 0)),
        largest_share=float(size_K.max(initial=0) / len(labels_N)),
        adjusted_rand_index=ari,
    )


def k_distances(distance_NN: sparse.csr_matrix, k: int) -> np.ndarray:
    """How far every picture is from its k-th nearest, itself included.

    With k = min_samples these are the eps at which pictures become cores of clusters.

    Args:
      distance_NN: as `jaccard.jaccard_distance` returns it.
      k: at least 1.

    Returns:
      float32 (N,) ascending; np.inf where fewer than k distances are stored, that is, where the
      k-th nearest is at the cutoff or beyond.

    Raises:
      ValueError: k below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; give at least 1: the picture itself")
    distance_NN = in_order(distance_NN)
    k_th_N = distance_NN.indptr[:-1] + k - 1
    is_stored_N = k_th_N < distance_NN.indptr[1:]
    distance_N = np.full(distance_NN.shape[0], np.inf, np.float32)
    distance_N[is_stored_N] = distance_NN.data[k_th_N[is_stored_N]]
    return np.sort(distance_N)


def in_order(distance_NN: sparse.csr_matrix) -> sparse.csr_matrix:
    """Every row in order of distance; a copy unless it is already."""
    return sort_graph_by_row_values(distance_NN, copy=True, warn_when_not_sorted=False)
