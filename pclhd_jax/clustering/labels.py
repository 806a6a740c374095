"""Pseudo labels: DBSCAN on the k-reciprocal Jaccard distance, and how good they are."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import sort_graph_by_row_values

from pclhd_jax.clustering.cluster_settings import JaccardSettings
from pclhd_jax.clustering.jaccard import distance_of
from pclhd_jax.clustering.neighbour_lists import NeighbourLists


class ClusterQuality(NamedTuple):
    """Clusters against identities; both scores are 1 for a perfect clustering."""

    num_clusters: int
    num_outliers: int
    adjusted_rand_index: float
    normalized_mutual_info: float


def pseudo_labels(
    features_ND: np.ndarray,
    *,
    eps: float,
    min_samples: int,
    k1: int,
    k2: int,
    modality_N: np.ndarray | None = None,
    count_self: bool = False,
    unit_features: bool = True,
) -> np.ndarray:
    """Cluster labels of N pictures.

    Distances are float32 and eps is rounded to float32; a pair at distance eps is within eps.

    Args:
      features_ND: unit rows (within 1e-3), taken as float32;
        shorter ones where `unit_features` is False.
      eps: DBSCAN's radius in Jaccard distance, in (0, 1).
      min_samples: pictures within eps, itself included, that make a picture a core of a cluster.
      k1, k2, modality_N, count_self, unit_features: as in `jaccard.jaccard_distance`.

    Returns:
      int32 (N,): clusters 0, 1, ... in order of their first core picture; -1 = outlier.

    Raises:
      ValueError: features that are not finite rows of such lengths, or an argument out of range.
    """
    settings = JaccardSettings(k1, k2, count_self, unit_features)
    return labels_of(features_ND, settings, eps=eps, min_samples=min_samples, modality_N=modality_N)


def labels_of(
    features_ND: np.ndarray,
    settings: JaccardSettings,
    *,
    eps: float,
    min_samples: int,
    lists: NeighbourLists | None = None,
    modality_N: np.ndarray | None = None,
) -> np.ndarray:
    """`pseudo_labels` with the sizes of the distance in one record.

    lists: as for `jaccard.distance_of`.
    """
    cutoff = cutoff_for(eps)
    distance_NN = distance_of(
        features_ND, settings, lists=lists, modality_N=modality_N, cutoff=cutoff
    )
    return labels_from_distance(distance_NN, eps=eps, min_samples=min_samples)


def cutoff_for(eps: float) -> float:
    """DBSCAN takes distances <= eps, a matrix holds those < cutoff: one float32 further.

    Raises:
      ValueError: an eps out of its range.
    """
    eps = np.float32(eps)
    if not 0 < eps < 1:
        raise ValueError(f"eps is {eps}; give a value in (0, 1): at 1 every pair is within eps")
    return float(np.nextafter(eps, np.float32(1)))


def labels_from_distance(
    distance_NN: sparse.csr_matrix, *, eps: float, min_samples: int
) -> np.ndarray:
    """DBSCAN on stored distances; a pair not stored is further apart than eps.

    Args:
      distance_NN: as `jaccard.jaccard_distance` gives it, with `cutoff_for(eps)` or more; left as
        it is. Rows already in order of distance spare a copy.
      eps, min_samples: as in `pseudo_labels`, with its result and errors.
    """
    cutoff_for(eps)  # raises
    if min_samples < 1:
        raise ValueError(f"min_samples is {min_samples}; give at least 1")
    distance_NN = sort_graph_by_row_values(distance_NN, copy=True, warn_when_not_sorted=False)
    dbscan = DBSCAN(eps=float(np.float32(eps)), min_samples=min_samples, metric="precomputed")
    return dbscan.fit_predict(distance_NN).astype(np.int32)


def cluster_quality(labels_N: np.ndarray, identities_N: np.ndarray) -> ClusterQuality:
    """Agreement of pseudo labels with true identities, over all N pictures.

    Every outlier counts as a cluster of its own: dropping outliers instead would call a clustering
    perfect that keeps two pictures and rejects the rest.

    Args:
      labels_N: integers, -1 = outlier.
      identities_N: integers.

    Raises:
      ValueError: arrays of different or zero length.
    """
    labels_N, identities_N = np.asarray(labels_N), np.asarray(identities_N)
    if labels_N.ndim != 1 or labels_N.shape != identities_N.shape or not len(labels_N):
        raise ValueError(
            f"labels have shape {labels_N.shape}, identities {identities_N.shape}; "
            "give one of each for every picture, and at least one picture"
        )
    outlier_N = labels_N < 0
    own_cluster_N = labels_N.max() + 1 + np.arange(len(labels_N))
    clusters_N = np.where(outlier_N, own_cluster_N, labels_N)
    return ClusterQuality(
        num_clusters=len(np.unique(labels_N[~outlier_N])),
        num_outliers=int(outlier_N.sum()),
        adjusted_rand_index=float(adjusted_rand_score(identities_N, clusters_N)),
        normalized_mutual_info=float(normalized_mutual_info_score(identities_N, clusters_N)),
    )
