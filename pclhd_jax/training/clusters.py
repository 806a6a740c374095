"""The clusters of one epoch: made while the device works, and described for the record."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from pclhd_jax.batches.batch import EpochLabels, mixed_clusters
from pclhd_jax.clustering.both_modalities import all_are_neighbours, label_epoch, search_epoch
from pclhd_jax.clustering.cluster_settings import ClusterSettings, cluster_settings
from pclhd_jax.clustering.epoch_neighbour_lists import EpochNeighbourLists, joined
from pclhd_jax.clustering.labels import cluster_quality
from pclhd_jax.clustering.neighbour_search import SearchOptions
from pclhd_jax.clustering.shares import Share
from pclhd_jax.clustering.truth import main_identities, purity, right_matches
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.method.state import TrainState
from pclhd_jax.processes.exchange import count, from_first, gather, is_first, number, together
from pclhd_jax.processes.progress import Progress
from pclhd_jax.saving.labelled_features import SavedEpoch, save_epoch
from pclhd_jax.saving.write_behind import write_now_or_behind
from pclhd_jax.settings.schedule import When, epochs_before
from pclhd_jax.training.experiment import Run, sampling_of
from pclhd_jax.training.features import Features, train_features
from pclhd_jax.training.run_pictures import RunPictures
from pclhd_jax.training.services import Services


def search_neighbours(z: Features, settings: ClusterSettings) -> EpochNeighbourLists:
    """Neighbour lists of all pictures: each process searches its share, on all its devices."""
    options = SearchOptions(
        share=Share(number(), count()), report=Progress("clustering, neighbours", unit="pairs")
    )
    return joined(gather(together("neighbour search", search_epoch, *z, settings, options)))


def labels_and_momentum_features(
    run: Run, services: Services, when: When, state: TrainState, z: Features
) -> tuple[EpochLabels, Features | None]:
    """Pseudo labels of `z` and, in stage 2, the momentum encoder's features of all pictures.

    Both need the devices of all processes, so all search for the neighbours first, from the main
    thread. Past the search the two need nothing of each other: process 0 clusters on its host for
    all, while the devices work on the features.
    """
    settings = cluster_settings(run.config, when)
    lists = search_neighbours(z, settings)
    services.watch.lap("neighbours")
    if when.stage == 1:
        return from_first(label_epoch, *z, settings, lists), None
    with ThreadPoolExecutor(1) as host:
        labels = host.submit(label_epoch, *z, settings, lists) if is_first() else None
        # Dynamic prototypes are unit rows, however the features are clustered.
        momentum_z = train_features(run, state.momentum, run.feature_steps, services.pause)
        services.watch.lap("features")
        return from_first(lambda: labels.result()), momentum_z


def save_labelling(
    run: Run, services: Services, when: When, z: Features, labels: EpochLabels | None
) -> None:
    """Leave labels and the features they were made from in the workdir, for `visualize`.

    Raises OSError, or the run's writer does, where the disk refuses.
    """
    identities = run.pictures.visible_identities_N, run.pictures.infrared_identities_N
    saved = SavedEpoch(*z, labels, *identities, *when, epochs_before(run.config, when) + 1)
    save = partial(save_epoch, services.workdir, saved, keep=run.config.keep_features)
    from_first(write_now_or_behind, services.writer, lambda: save)


def label_quality(
    config: Any, pictures: RunPictures, when: When, labels: EpochLabels
) -> dict[str, dict[str, float]]:
    """Cluster sizes, and agreement with the true identities: for the record only."""
    sampling = sampling_of(config, when.stage)
    visible, infrared = pictures.visible_identities_N, pictures.infrared_identities_N
    small_K = [
        cluster_sizes(labels.visible_N) < sampling.visible_shots,
        cluster_sizes(labels.infrared_N) < sampling.infrared_shots,
    ]
    rows = {
        "visible": quality_row(labels.visible_N, visible, small_K[0]),
        "infrared": quality_row(labels.infrared_N, infrared, small_K[1]),
    }
    if labels.visible_to_infrared_K is not None and min(visible.min(), infrared.min()) >= 0:
        main = (
            main_identities(labels.visible_N, visible),
            main_identities(labels.infrared_N, infrared),
        )
        rows["visible"]["right_matches"] = right_matches(labels.visible_to_infrared_K, *main)
        rows["infrared"]["right_matches"] = right_matches(labels.infrared_to_visible_K, *main[::-1])
    if labels.joint_visible_N is not None:
        mixed_J = mixed_clusters(labels.joint_visible_N, labels.joint_infrared_N)
        small_J = (cluster_sizes(labels.joint_visible_N)[mixed_J] < sampling.visible_shots) | (
            cluster_sizes(labels.joint_infrared_N)[mixed_J] < sampling.infrared_shots
        )
        joint_N = np.concatenate([labels.joint_visible_N, labels.joint_infrared_N])
        rows["joint"] = quality_row(joint_N, np.concatenate([visible, infrared]), small_J)
        rows["joint"]["num_mixed"] = len(mixed_J)  # those that batches are drawn from
    return rows


def cluster_sizes(labels_N: np.ndarray) -> np.ndarray:
    return np.bincount(labels_N[labels_N >= 0])


def cluster_notes(config: Any, when: When, labels: EpochLabels) -> list[str]:
    """What is unusual about an epoch's clusters and changes its steps, a line each."""
    clusters_per_batch = sampling_of(config, when.stage).clusters_per_batch
    settings = cluster_settings(config, when)
    notes = []
    for modality, labels_N in zip(MODALITIES, labels[:2], strict=True):
        num_clusters = labels_N.max() + 1
        if num_clusters < clusters_per_batch:
            notes.append(
                f"{num_clusters} {modality} clusters for batches of {clusters_per_batch}: "
                "clusters repeat within a batch"
            )
        if all_are_neighbours(len(labels_N), settings):
            notes.append(
                f"{len(labels_N)} {modality} pictures and config.cluster.k1 {settings.own.k1}: "
                "every picture is a neighbour of every other; lower k1"
            )
    if when.stage == 1 or not config.loss.joint:
        return notes
    if labels.joint_visible_N is not None:
        num_mixed = len(mixed_clusters(labels.joint_visible_N, labels.joint_infrared_N))
        if num_mixed < clusters_per_batch:
            notes.append(
                f"{num_mixed} joint clusters of both modalities for batches of "
                f"{clusters_per_batch}: clusters repeat within a batch"
            )
    else:
        notes.append(
            "no two joint clusters to contrast, at least one of both modalities: no joint term "
            "this epoch"
        )
    return notes


def quality_row(
    labels_N: np.ndarray, identities_N: np.ndarray, is_small_K: np.ndarray
) -> dict[str, float]:
    """`cluster_quality`, purity, and the clusters whose pictures repeat within a batch.

    The counts alone where an identity is unknown (-1).
    """
    row = cluster_quality(labels_N, identities_N)._asdict()
    row["num_below_shots"] = int(is_small_K.sum())
    if (identities_N < 0).any():
        del row["adjusted_rand_index"], row["normalized_mutual_info"]
    else:
        row["purity"] = purity(labels_N, identities_N)
    return row
