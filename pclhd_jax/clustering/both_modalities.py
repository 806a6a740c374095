"""The pseudo labels of one epoch: each modality apart, then joint, then matched."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.clustering.jaccard import list_length, reciprocal_length
from pclhd_jax.clustering.labels import labels_from_neighbours
from pclhd_jax.clustering.matching import match_clusters
from pclhd_jax.clustering.neighbour_lists import Neighbours
from pclhd_jax.clustering.neighbours import Report
from pclhd_jax.clustering.neighbours_by_modality import (
    ModalityNeighbours,
    neighbours_apart,
    neighbours_by_modality,
)
from pclhd_jax.clustering.shares import WHOLE, Share

# 1 - length of the mean feature over their mean length: below this they are one but for rounding.
COLLAPSED = 1e-6


class TooFewClusters(ValueError):
    """A modality has fewer than 2 clusters: nothing to contrast."""


class ClusterSettings(NamedTuple):
    """DBSCAN and k-reciprocal sizes; `joint_*` for both modalities together.

    count_self, unit_features: as `count_self` and `unit_features` of `jaccard.jaccard_distance`.
    joint_keeps: 'mixed' or 'all', see `keep_joint`.
    """

    eps: float
    min_samples: int
    k1: int
    k2: int
    joint_k1: int
    joint_k2: int
    count_self: bool = False
    unit_features: bool = True
    joint_keeps: str = "mixed"

    def distance(self, *, joint: bool) -> dict[str, Any]:
        """Arguments of the distance, for one modality or for both together."""
        k1, k2 = (self.joint_k1, self.joint_k2) if joint else (self.k1, self.k2)
        return dict(k1=k1, k2=k2, count_self=self.count_self, unit_features=self.unit_features)

    def list_length(self, *, joint: bool) -> int:
        """Neighbours that the distance needs of every picture."""
        k1, k2 = (self.joint_k1, self.joint_k2) if joint else (self.k1, self.k2)
        return list_length(k1, k2, count_self=self.count_self)


def neighbours_of(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    settings: ClusterSettings,
    *,
    joint: bool,
    share: Share = WHOLE,
    report: Report | None = None,
) -> ModalityNeighbours:
    """The lists that `label_jointly` needs, or `label_apart`; all rows', or those of a share."""
    own = settings.list_length(joint=False)
    alike = dict(l2=not settings.unit_features, share=share, report=report)
    if not joint:
        return neighbours_apart(visible_ND, infrared_ND, num_neighbours=own, **alike)
    return neighbours_by_modality(
        visible_ND,
        infrared_ND,
        own_neighbours=own,
        joint_neighbours=settings.list_length(joint=True),
        **alike,
    )


def label_apart(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    settings: ClusterSettings,
    report: Report | None = None,
    *,
    lists: ModalityNeighbours | None = None,
) -> EpochLabels:
    """Stage 1: each modality clustered by itself.

    report: called with (pairs compared, all pairs) during the neighbour searches.
    lists: of `neighbours_of`, where they are there already; nothing is searched then.

    Raises:
      TooFewClusters: a ValueError; fewer than 2 in a modality.
    """
    if lists is None:
        lists = neighbours_of(visible_ND, infrared_ND, settings, joint=False, report=report)
    return _label_modalities(visible_ND, infrared_ND, lists.visible, lists.infrared, settings)


def label_jointly(
    visible_ND: np.ndarray,
    infrared_ND: np.ndarray,
    settings: ClusterSettings,
    report: Report | None = None,
    *,
    lists: ModalityNeighbours | None = None,
) -> EpochLabels:
    """Stage 2: as `label_apart`, then matched clusters and joint clusters.

    Raises:
      TooFewClusters: a ValueError; fewer than 2 in a modality.
    """
    if lists is None:
        lists = neighbours_of(visible_ND, infrared_ND, settings, joint=True, report=report)
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
        modality_N=modality_N,
        **settings.distance(joint=True),
    )
    joint_N = keep_joint(joint_N, modality_N, settings.joint_keeps)
    if joint_N is None:  # early on the modalities may share no neighbourhood yet
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
            **settings.distance(joint=False),
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
    length = np.linalg.norm(z_ND, axis=1).mean(dtype=np.float64)
    if np.linalg.norm(z_ND.mean(axis=0, dtype=np.float64)) > (1 - COLLAPSED) * length:
        cause = (
            "the encoder gives all of them the same feature; look at the pictures and at the "
            "starting weights, or lower config.optimizer.learning_rate"
        )
    elif all_are_neighbours(num_rows, settings):
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
        "python -m pclhd_jax visualize --clusters WORKDIR"
    )


def all_are_neighbours(num_rows: int, settings: ClusterSettings) -> bool:
    """Whether k1 is so large that the lists of neighbours tell nobody apart."""
    return num_rows <= reciprocal_length(settings.k1, settings.count_self)


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
