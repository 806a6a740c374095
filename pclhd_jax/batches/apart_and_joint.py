"""Batches of an epoch: which pictures one step takes, with the labels of their clusters."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from pclhd_jax.batches.batch import Batch, EpochLabels, mixed_clusters
from pclhd_jax.batches.sampler import BatchShape, cluster_order, draw_shots, sample_batches
from pclhd_jax.settings.sections import Sampler


class TrainPictures(NamedTuple):
    """All training pictures in host memory; cameras None for the camera-free sampler."""

    visible_NHWC: np.ndarray  # uint8
    infrared_NHWC: np.ndarray  # uint8
    visible_cameras_N: np.ndarray | None
    infrared_cameras_N: np.ndarray | None


class Sampling(NamedTuple):
    """An epoch's batches: P clusters x shots of each modality."""

    batches_per_epoch: int
    clusters_per_batch: int
    visible_shots: int
    infrared_shots: int
    sampler: Sampler  # the settings of that name


def apart_batches(
    pictures: TrainPictures,
    labels: EpochLabels,
    sampling: Sampling,
    rng: np.random.Generator,
    first: int = 0,
) -> Iterator[Batch]:
    """Each modality's own clusters, drawn independently; from batch `first` of the epoch on."""
    visible = BatchShape(
        sampling.clusters_per_batch,
        sampling.visible_shots,
        sampling.batches_per_epoch,
        sampling.sampler.exact_pool_repeats,
    )
    infrared = visible._replace(shots=sampling.infrared_shots)
    visible_MB = sample_batches(labels.visible_N, pictures.visible_cameras_N, visible, rng=rng)
    infrared_MB = sample_batches(labels.infrared_N, pictures.infrared_cameras_N, infrared, rng=rng)
    for visible_B, infrared_B in zip(visible_MB[first:], infrared_MB[first:], strict=True):
        labels_v, labels_r = labels.visible_N[visible_B], labels.infrared_N[infrared_B]
        batch = Batch(
            pictures.visible_NHWC[visible_B],
            pictures.infrared_NHWC[infrared_B],
            labels_v,
            labels_r,
        )
        if labels.visible_to_infrared_K is not None:
            batch = batch._replace(
                visible_matches_B=labels.visible_to_infrared_K[labels_v],
                infrared_matches_B=labels.infrared_to_visible_K[labels_r],
            )
        yield batch


def joint_batches(
    pictures: TrainPictures,
    labels: EpochLabels,
    sampling: Sampling,
    rng: np.random.Generator,
    first: int = 0,
) -> Iterator[Batch]:
    """Joint clusters that hold both modalities; from batch `first` of the epoch on.

    sampler.joint_clusters 'same': a batch shows its clusters in both modalities. 'independent':
    they are drawn once for the visible pictures and once more for the infrared ones.
    """
    clusters_J = mixed_clusters(labels.joint_visible_N, labels.joint_infrared_N)
    order = partial(
        cluster_order,
        len(clusters_J),
        clusters_per_batch=sampling.clusters_per_batch,
        num_batches=sampling.batches_per_epoch,
        rng=rng,
    )
    draw = partial(draw_shots, rng=rng, exact_pool_repeats=sampling.sampler.exact_pool_repeats)
    visible_MP = clusters_J[order()]
    infrared_MP = visible_MP if sampling.sampler.joint_clusters == "same" else clusters_J[order()]
    visible_MB = draw(
        visible_MP,
        labels.joint_visible_N,
        pictures.visible_cameras_N,
        shots=sampling.visible_shots,
    )
    infrared_MB = draw(
        infrared_MP,
        labels.joint_infrared_N,
        pictures.infrared_cameras_N,
        shots=sampling.infrared_shots,
    )
    for visible_B, infrared_B in zip(visible_MB[first:], infrared_MB[first:], strict=True):
        yield Batch(
            pictures.visible_NHWC[visible_B],
            pictures.infrared_NHWC[infrared_B],
            labels.joint_visible_N[visible_B],
            labels.joint_infrared_N[infrared_B],
        )
