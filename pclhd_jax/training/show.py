"""What an epoch shows beside its numbers; nothing is trained by it."""

import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.reports.rank_strips import few_rank_lists
from pclhd_jax.reports.records import Shown
from pclhd_jax.training.clusters import cluster_sizes
from pclhd_jax.training.experiment import Run
from pclhd_jax.training.features import MODALITIES, Features


def show(run: Run, labels: EpochLabels | None, test_z: Features | None) -> Shown:
    """Sizes of the epoch's clusters, and rank lists of the encoder that it leaves.

    labels: None for the untrained encoder. test_z: None in an epoch that is not scored.
    """
    sizes, rank_lists = {}, {}
    if labels is not None:
        sizes = {
            name: cluster_sizes(labels_N)
            for name, labels_N in zip(MODALITIES, labels[:2], strict=True)
        }
        if labels.joint_visible_N is not None:
            joint_N = np.concatenate([labels.joint_visible_N, labels.joint_infrared_N])
            sizes["joint"] = cluster_sizes(joint_N)
    if test_z is not None:
        z = dict(zip(MODALITIES, test_z, strict=True))
        first = run.pictures.protocols[0]
        rank_lists = few_rank_lists(first, run.pictures.test_NHWC, z)
    return Shown(sizes, rank_lists)
