"""The pseudo labels of one epoch: each modality apart, then joint, then matched."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from pclhd_jax.batch import EpochLabels
from pclhd_jax.clustering.labels import pseudo_labels
from pclhd_jax.clustering.matching import match_clusters


class ClusterSettings(NamedTuple):
    """DBSCAN and k-reciprocal sizes; `joint_*` for both modalities together."""

    eps: float
    min_samples: int
    k1: int
    k2: int
    joint_k1: int
    joint_k2: int


def label_apart(
    visible_ND: np.ndarray, infrared_ND: np.ndarray, settings: ClusterSettings
) -> EpochLabels:
    """Stage 1: each modality clustered by itself.

    Raises:
      ValueError: a modality with fewer than 2 clusters: nothing to contrast.
    """
    labels = []
    for name, z_ND in (("visible", visible_ND), ("infrared", infrared_ND)):
        labels_N = pseudo_labels(
            z_ND,
            eps=settings.eps,
            min_samples=settings.min_samples,
            k1=settings.k1,
            k2=settings.k2,
        )
        check_contrast(labels_N, f"{name} pictures", settings.eps)
        labels.append(labels_N)
    return EpochLabels(*labels)


def label_jointly(
    visible_ND: np.ndarray, infrared_ND: np.ndarray, settings: ClusterSettings
) -> EpochLabels:
    """Stage 2: as `label_apart`, then matched clusters and joint clusters.

    Raises:
      ValueError: fewer than 2 clusters in a modality.
    """
    labels = label_apart(visible_ND, infrared_ND, settings)
    to_infrared_K, to_visible_K = match_clusters(
        cluster_centroids(visible_ND, labels.visible_N),
        cluster_centroids(infrared_ND, labels.infrared_N),
    )
    modality_N = np.repeat([0, 1], [len(visible_ND), len(infrared_ND)])
    joint_N = pseudo_labels(
        np.concatenate([visible_ND, infrared_ND]),
        eps=settings.eps,
        min_samples=settings.min_samples,
        k1=settings.joint_k1,
        k2=settings.joint_k2,
        modality_N=modality_N,
    )
    labels = labels._replace(
        visible_to_infrared_K=to_infrared_K, infrared_to_visible_K=to_visible_K
    )
    joint_N = keep_mixed(joint_N, modality_N)
    if joint_N.max() < 1:  # early on the modalities may share no neighbourhood yet
        return labels
    return labels._replace(
        joint_visible_N=joint_N[: len(visible_ND)],
        joint_infrared_N=joint_N[len(visible_ND) :],
    )


def check_contrast(labels_N: np.ndarray, what: str, eps: float) -> None:
    num_clusters = labels_N.max(initial=-1) + 1
    if num_clusters < 2:
        raise ValueError(
            f"DBSCAN left {num_clusters} cluster(s) of {len(labels_N):,} {what} "
            f"({np.sum(labels_N < 0):,} outliers), and contrast needs 2. Many outliers: raise "
            f"config.cluster.eps ({eps}); one large cluster: lower it (in another --workdir)"
        )


def cluster_centroids(z_ND: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """(K, D) mean of every cluster; outliers left out."""
    num_clusters = labels_N.max() + 1
    kept_N = labels_N >= 0
    member_KN = sparse.csr_matrix(
        (np.ones(kept_N.sum(), z_ND.dtype), (labels_N[kept_N], np.flatnonzero(kept_N))),
        shape=(num_clusters, len(z_ND)),
    )
    return (member_KN @ z_ND) / member_KN.sum(axis=1)


def keep_mixed(labels_N: np.ndarray, modality_N: np.ndarray) -> np.ndarray:
    """Only clusters that hold both modalities, numbered anew; all other pictures -1.

    [ours] A joint cluster of one modality is often a part of a person whose other
    modality lies elsewhere; as a negative it would push the two apart.
    """
    num_clusters = labels_N.max(initial=-1) + 1
    holds_MK = [
        np.bincount(labels_N[(modality_N == m) & (labels_N >= 0)], minlength=num_clusters) > 0
        for m in (0, 1)
    ]
    is_mixed_K = holds_MK[0] & holds_MK[1]
    new_label_K = np.where(is_mixed_K, np.cumsum(is_mixed_K) - 1, -1)
    # The last entry serves the outliers' label -1.
    return np.append(new_label_K, -1)[labels_N].astype(np.int32)
