"""What an epoch shows beside its numbers: how large its clusters are, and what queries find."""

import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.reports.rank_strips import few_rank_lists
from pclhd_jax.reports.records import Shown
from pclhd_jax.training.clusters import cluster_sizes
from pclhd_jax.training.features import Features
from pclhd_jax.training.run_pictures import RunPictures


def sizes_and_rank_lists(
    pictures: RunPictures, labels: EpochLabels | None, test_z: Features | None
) -> Shown:
    """labels: None for the untrained encoder. test_z: None in an epoch that is not scored."""
    return Shown(
        {} if labels is None else sizes_by_kind(labels),
        {} if test_z is None else rank_lists_by_query(pictures, test_z),
    )


def sizes_by_kind(labels: EpochLabels) -> dict[str, np.ndarray]:
    """Pictures in each cluster, of either modality and of both together."""
    sizes = {
        name: cluster_sizes(labels_N) for name, labels_N in zip(MODALITIES, labels[:2], strict=True)
    }
    if labels.joint_visible_N is not None:
        joint_N = np.concatenate([labels.joint_visible_N, labels.joint_infrared_N])
        sizes["joint"] = cluster_sizes(joint_N)
    return sizes


def rank_lists_by_query(pictures: RunPictures, test_z: Features) -> dict[str, np.ndarray]:
    """Of the first protocol."""
    z = dict(zip(MODALITIES, test_z, strict=True))
    return few_rank_lists(pictures.protocols[0], pictures.test_NHWC, z)
