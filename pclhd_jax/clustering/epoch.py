"""The pseudo labels of one epoch: each modality apart, then joint, then matched."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from pclhd_jax.batch import EpochLabels
from pclhd_jax.clustering.jaccard import list_length
from pclhd_jax.clustering.labels import cutoff_for, labels_from_neighbours
from pclhd_jax.clustering.matching import match_clusters
from pclhd_jax.clustering.neighbours import (
    Neighbours,
    Report,
    counted_on,
    nearest_neighbours,
    neighbours_by_modality,
)

# 1 - length of the mean feature: below this all unit features are one but for rounding.
COLLAPSED = 1e-6


class TooFewClusters(ValueError):
    """A modality has fewer than 2 clusters: nothing to contrast."""


class ClusterSettings(NamedTuple):
    """DBSCAN and k-reciprocal sizes; `joint_*` for both modalities together."""

    eps: float
    min_samples: int
    k1: int
    k2: int
    joint_k1: int
    joint_k2: int


def check_cluster_settings(settings: ClusterSettings) -> None:
    """Raises ValueError for a setting out of its range, before anything is computed."""
    cutoff_for(settings.eps)
    for name, value in settings._asdict().items():
        if name != "eps" and value < 1:
            raise ValueError(f"config.cluster.{name} is {value}; give at least 1")


def label_apart(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    settings: ClusterSettings,
    report: Report | None = None,
) -> EpochLabels:
    """Stage 1: each modality clustered by itself.

    report: called with (pairs compared, all pairs) during the neighbour searches.

    Raises:
      TooFewClusters: a ValueError; fewer than 2 in a modality.
    """
    length = list_length(settings.k1, settings.k2)
    pairs = len(visible_ND) ** 2, len(infrared_ND) ** 2
    reports = counted_on(report, 0, sum(pairs)), counted_on(report, pairs[0], sum(pairs))
    visible = nearest_neighbours(visible_ND, length, report=reports[0])
    infrared = nearest_neighbours(infrared_ND, length, report=reports[1])
    return _label_modalities(visible_ND, infrared_ND, visible, infrared, settings)


def label_jointly(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    settings: ClusterSettings,
    report: Report | None = None,
) -> EpochLabels:
    """Stage 2: as `label_apart`, then matched clusters and joint clusters.

    Raises:
      TooFewClusters: a ValueError; fewer than 2 in a modality.
    """
    lists = neighbours_by_modality(
        visible_ND,
        infrared_ND,
        own_neighbours=list_length(settings.k1, settings.k2),
        joint_neighbours=list_length(settings.joint_k1, settings.joint_k2),
        report=report,
    )
    labels = _label_modalities(visible_ND, infrared_ND, lists.visible, lists.infrared, settings)
    to_infrared_K, to_visible_K = match_clusters(
        cluster_centroids(visible_ND, labels.visible_N),
        cluster_centroids(infrared_ND, labels.infrared_N),
    )
    labels = labels._replace(
        visible_to_infrared_K=to_infrared_K, infrared_to_visible_K=to_visible_K
    )
    modality_N = np.repeat([0, 1], [len(visible_ND), len(infrared_ND)])
    joint_N = labels_from_neighbours(
        np.concatenate([visible_ND, infrared_ND]),
        lists.joint,
        eps=settings.eps,
        min_samples=settings.min_samples,
        k1=settings.joint_k1,
        k2=settings.joint_k2,
        modality_N=modality_N,
    )
    joint_N = keep_mixed(joint_N, modality_N)
    if joint_N.max() < 1:  # early on the modalities may share no neighbourhood yet
        return labels
    return labels._replace(
        joint_visible_N=joint_N[: len(visible_ND)],
        joint_infrared_N=joint_N[len(visible_ND) :],
    )


def _label_modalities(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    visible: Neighbours,
    infrared: Neighbours,
    settings: ClusterSettings,
) -> EpochLabels:
    labels = []
    modalities = (("visible", visible_ND, visible), ("infrared", infrared_ND, infrared))
    for name, z_ND, lists in modalities:
        labels_N = labels_from_neighbours(
            z_ND,
            lists,
            eps=settings.eps,
            min_samples=settings.min_samples,
            k1=settings.k1,
            k2=settings.k2,
        )
        check_contrast(labels_N, z_ND, name, settings)
        labels.append(labels_N)
    return EpochLabels(*labels)


def check_contrast(
    labels_N: np.ndarray, z_ND: np.ndarray, modality: str, settings: ClusterSettings
) -> None:
    """Raises TooFewClusters for fewer than 2, with what led there and what helps."""
    num_clusters, num_rows = labels_N.max(initial=-1) + 1, len(labels_N)
    if num_clusters >= 2:
        return
    outliers = np.sum(labels_N < 0)
    if np.linalg.norm(z_ND.mean(axis=0, dtype=np.float64)) > 1 - COLLAPSED:
        cause = (
            "the encoder gives all of them the same feature; look at the pictures and at the "
            "starting weights, or lower config.optimizer.learning_rate"
        )
    elif num_rows <= settings.k1 + 1:
        cause = (
            f"config.cluster.k1 ({settings.k1}) makes every picture a neighbour of every other; "
            "lower it well below the number of pictures"
        )
    elif outliers > num_rows / 2:
        cause = (
            f"raise config.cluster.eps ({settings.eps}) or lower config.cluster.min_samples "
            f"({settings.min_samples})"
        )
    else:
        cause = f"lower config.cluster.eps ({settings.eps}) or config.cluster.k1 ({settings.k1})"
    raise TooFewClusters(
        f"DBSCAN left {num_clusters} cluster{'' if num_clusters == 1 else 's'} of {num_rows:,} "
        f"{modality} pictures ({outliers:,} outliers), and contrast needs 2: {cause} "
        "(in another --workdir). What other values of eps would give: "
        "python -m pclhd_jax.visualize --clusters WORKDIR"
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
