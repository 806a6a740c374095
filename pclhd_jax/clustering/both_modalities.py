"""The pseudo labels of one epoch: each modality apart, then matched, then joint."""

from functools import partial

import numpy as np
from scipy import sparse

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.clustering.cluster_settings import ClusterSettings
from pclhd_jax.clustering.epoch_neighbour_lists import (
    EpochNeighbourLists,
    search_apart,
    search_apart_and_joint,
)
from pclhd_jax.clustering.labels import labels_of
from pclhd_jax.clustering.matching import match_clusters
from pclhd_jax.clustering.neighbour_search import DEFAULT_SEARCH, SearchOptions

# 1 - length of the mean feature over their mean length: below this they are one but for rounding.
COLLAPSED = 1e-6


class TooFewClusters(ValueError):
    """A modality has fewer than 2 clusters: nothing to contrast."""


def search_epoch(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    settings: ClusterSettings,
    options: SearchOptions = DEFAULT_SEARCH,
) -> EpochNeighbourLists:
    """The lists that `label_epoch` needs: of all rows, or of those of a share."""
    own, joint = settings.own, settings.joint
    alike = dict(l2=not own.unit_features, options=options)
    if joint is None:
        return search_apart(visible_ND, infrared_ND, num_neighbours=own.list_length, **alike)
    return search_apart_and_joint(
        visible_ND,
        infrared_ND,
        own_neighbours=own.list_length,
        joint_neighbours=joint.list_length,
        **alike,
    )


def label_epoch(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    settings: ClusterSettings,
    lists: EpochNeighbourLists | None = None,
) -> EpochLabels:
    """Clusters of each modality; with `settings.joint` also matched clusters and joint ones.

    lists: of `search_epoch`; None: they are searched here.

    Raises:
      TooFewClusters: a ValueError; fewer than 2 in a modality.
    """
    if lists is None:
        lists = search_epoch(visible_ND, infrared_ND, settings)
    label = partial(labels_of, eps=settings.eps, min_samples=settings.min_samples)
    visible_N = label(visible_ND, settings.own, lists=lists.visible)
    check_contrast(visible_N, visible_ND, "visible", settings)
    infrared_N = label(infrared_ND, settings.own, lists=lists.infrared)
    check_contrast(infrared_N, infrared_ND, "infrared", settings)
    if settings.joint is None:
        return EpochLabels(visible_N, infrared_N)

    to_infrared_K, to_visible_K = match_clusters(
        cluster_centroids(visible_ND, visible_N), cluster_centroids(infrared_ND, infrared_N)
    )
    labels = EpochLabels(visible_N, infrared_N, to_infrared_K, to_visible_K)
    both_ND = np.concatenate([visible_ND, infrared_ND])
    modality_N = np.repeat([0, 1], [len(visible_ND), len(infrared_ND)])
    joint_N = label(both_ND, settings.joint, lists=lists.joint, modality_N=modality_N)
    joint_N = keep_joint(joint_N, modality_N, settings.joint_keeps)
    if joint_N is None:  # early on the modalities may share no neighbourhood yet
        return labels
    return labels._replace(
        joint_visible_N=joint_N[: len(visible_ND)],
        joint_infrared_N=joint_N[len(visible_ND) :],
    )


def check_contrast(
    labels_N: np.ndarray, z_ND: np.ndarray, modality: str, settings: ClusterSettings
) -> None:
    """Raises TooFewClusters for fewer than 2, with what led there and what helps."""
    num_clusters, num_rows = labels_N.max(initial=-1) + 1, len(labels_N)
    k1 = settings.own.k1
    if num_clusters >= 2:
        return
    outliers = np.sum(labels_N < 0)
    length = np.linalg.norm(z_ND, axis=1).mean(dtype=np.float64)
    if np.linalg.norm(z_ND.mean(axis=0, dtype=np.float64)) > (1 - COLLAPSED) * length:
        cause = (
            "the encoder gives all of them the same feature; look at the pictures and at the "
            "starting weights, or lower config.optimizer.learning_rate"
        )
    elif all_are_neighbours(num_rows, settings):
        cause = (
            f"config.cluster.k1 ({k1}) makes every picture a neighbour of every other; "
            "lower it well below the number of pictures"
        )
    elif outliers > num_rows / 2:
        cause = (
            f"raise config.cluster.eps ({settings.eps}) or lower config.cluster.min_samples "
            f"({settings.min_samples})"
        )
    else:
        cause = f"lower config.cluster.eps ({settings.eps}) or config.cluster.k1 ({k1})"
    raise TooFewClusters(
        f"DBSCAN left {num_clusters} cluster{'' if num_clusters == 1 else 's'} of {num_rows:,} "
        f"{modality} pictures ({outliers:,} outliers), and contrast needs 2: {cause} "
        "(in another --workdir). What other values of eps would give: "
        "python -m pclhd_jax visualize --clusters WORKDIR"
    )


def all_are_neighbours(num_rows: int, settings: ClusterSettings) -> bool:
    """Whether k1 is so large that the lists of neighbours tell nobody apart."""
    return num_rows <= settings.own.reciprocal_length


def cluster_centroids(z_ND: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """(K, D) mean of every cluster; outliers left out."""
    num_clusters = labels_N.max() + 1
    kept_N = labels_N >= 0
    member_KN = sparse.csr_matrix(
        (np.ones(kept_N.sum(), z_ND.dtype), (labels_N[kept_N], np.flatnonzero(kept_N))),
        shape=(num_clusters, len(z_ND)),
    )
    return (member_KN @ z_ND) / member_KN.sum(axis=1)


def keep_joint(labels_N: np.ndarray, modality_N: np.ndarray, keeps: str) -> np.ndarray | None:
    """The joint clusters of an epoch; None where they give no contrast.

    keeps: 'mixed', those that hold both modalities (`keep_mixed`); or 'all', as the released
    program: those of one modality are negatives of the others.

    Contrast takes 2 clusters, one of them of both modalities, since batches are drawn from those.
    """
    mixed_N = keep_mixed(labels_N, modality_N)
    kept_N = mixed_N if keeps == "mixed" else labels_N
    return kept_N if mixed_N.max(initial=-1) >= 0 and kept_N.max(initial=-1) >= 1 else None


def keep_mixed(labels_N: np.ndarray, modality_N: np.ndarray) -> np.ndarray:
    """Only clusters that hold both modalities, numbered anew; all other pictures -1.

    [ours, recipe `paper`] A joint cluster of one modality is often a part of a person whose other
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
