"""Batches of an epoch: which pictures one step takes, with the labels of their clusters."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pclhd_jax.batch import Batch, EpochLabels
from pclhd_jax.data.sampler import cluster_order, draw_shots, sample_batches


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


def apart_batches(
    pictures: TrainPictures,
    labels: EpochLabels,
    sampling: Sampling,
    rng: np.random.Generator,
    first: int = 0,
) -> Iterator[Batch]:
    """Each modality's own clusters, drawn independently; from batch `first` of the epoch on."""
    common = dict(
        clusters_per_batch=sampling.clusters_per_batch,
        num_batches=sampling.batches_per_epoch,
        rng=rng,
    )
    visible_MB = sample_batches(
        labels.visible_N, pictures.visible_cameras_N, shots=sampling.visible_shots, **common
    )
    infrared_MB = sample_batches(
        labels.infrared_N, pictures.infrared_cameras_N, shots=sampling.infrared_shots, **common
    )
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
    """The same joint clusters from both modalities; from batch `first` of the epoch on."""
    clusters_MP = cluster_order(
        int(labels.joint_visible_N.max()) + 1,
        clusters_per_batch=sampling.clusters_per_batch,
        num_batches=sampling.batches_per_epoch,
        rng=rng,
    )
    visible_MB = draw_shots(
        clusters_MP,
        labels.joint_visible_N,
        pictures.visible_cameras_N,
        shots=sampling.visible_shots,
        rng=rng,
    )
    infrared_MB = draw_shots(
        clusters_MP,
        labels.joint_infrared_N,
        pictures.infrared_cameras_N,
        shots=sampling.infrared_shots,
        rng=rng,
    )
    for visible_B, infrared_B in zip(visible_MB[first:], infrared_MB[first:], strict=True):
        yield Batch(
            pictures.visible_NHWC[visible_B],
            pictures.infrared_NHWC[infrared_B],
            labels.joint_visible_N[visible_B],
            labels.joint_infrared_N[infrared_B],
        )
