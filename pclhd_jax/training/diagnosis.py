"""How the prototypes and the terms of an epoch behave: for the record, nothing is trained by it."""

from typing import Any

import jax
import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.clustering.both_modalities import cluster_centroids
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.schedules import epoch_inputs
from pclhd_jax.method.step_data import Banks
from pclhd_jax.processes.mesh import replicate, shard_batch
from pclhd_jax.training.experiment import Run
from pclhd_jax.training.features import Features
from pclhd_jax.training.keys import epoch_key
from pclhd_jax.training.step_loop import EpochSoFar, epoch_batches

HardPictures = dict[str, list[int]]  # by modality, of every cluster its row


def hard_pictures(z: Features, labels: EpochLabels) -> HardPictures:
    """The picture of every cluster that is least similar to its centroid; of equal ones the first.

    The hard prototype starts there (recipe `paper`).
    """
    return {
        modality: least_similar(z_ND, labels_N).tolist()
        for modality, z_ND, labels_N in zip(MODALITIES, z, labels[:2], strict=True)
    }


def least_similar(z_ND: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    rows_n = np.flatnonzero(labels_N >= 0)
    centroid_KD = cluster_centroids(z_ND, labels_N)
    centroid_KD /= np.linalg.norm(centroid_KD, axis=1, keepdims=True)
    z_nD, labels_n = z_ND[rows_n], labels_N[rows_n]
    length_n = np.linalg.norm(z_nD, axis=1)
    similarity_n = np.einsum("nd,nd->n", z_nD, centroid_KD[labels_n]) / length_n
    order_n = np.lexsort((rows_n, similarity_n, labels_n))
    _, first_K = np.unique(labels_n[order_n], return_index=True)
    return rows_n[order_n[first_K]]


def prototype_report(
    banks: Banks, hard: HardPictures, hard_before: HardPictures | None
) -> dict[str, dict[str, float]]:
    """By modality, of the banks as the epoch begins; 0..1 each.

    hard_changed: share of the clusters whose hard picture was nobody's in the epoch before (left
    out where there was none). hard_distance: 1 - cosine of hard prototype and centroid, mean over
    clusters. dynamic_spread (stage 2): 1 - squared length of the mean of a cluster's dynamic
    prototypes, mean over clusters: 0 where they are all one. Of fewer prototypes it is smaller, as
    (S - 1) / S.
    """
    report = {}
    for modality, bank in zip(MODALITIES, banks[:2], strict=True):
        row = bank_report(bank)
        if hard_before is not None:
            row["hard_changed"] = float(
                1 - np.isin(hard[modality], hard_before[modality]).mean(dtype=np.float64)
            )
        report[modality] = row
    return report


def bank_report(bank: PrototypeBank) -> dict[str, float]:
    centroid_KD, hard_KD, dynamic_KSD, live_K = (
        np.asarray(x) for x in (bank.centroid_KD, bank.hard_KD, bank.dynamic_KSD, bank.live_K)
    )
    cosine_K = np.einsum("kd,kd->k", centroid_KD[live_K], hard_KD[live_K], dtype=np.float64)
    row = {"hard_distance": float(1 - cosine_K.mean())}
    if dynamic_KSD.shape[1]:
        mean_KD = dynamic_KSD[live_K].mean(axis=1, dtype=np.float64)
        row["dynamic_spread"] = float(1 - (mean_KD**2).sum(axis=1).mean())
    return row


def gradients_at_start(run: Run, so_far: EpochSoFar) -> dict[str, Any]:
    """`method.gradients` of the epoch's first batch, at its first step's draw.

    so_far: before the first step. Without the cosines of terms that have no gradient.
    """
    when = so_far.when
    report = run.gradient_steps[when.stage](
        so_far.state,
        so_far.banks,
        shard_batch(run.mesh, next(epoch_batches(run.config, run.pictures.train, so_far))),
        replicate(run.mesh, epoch_inputs(when, run.config.loss)),
        jax.random.fold_in(epoch_key(run.config.seed, when), 0),
    )
    return plain_numbers(jax.device_get(report))


def plain_numbers(report: dict[str, Any]) -> dict[str, Any]:
    """Python's floats, without NaN and without tables that have nothing else."""
    values = {
        name: plain_numbers(x) if isinstance(x, dict) else float(x) for name, x in report.items()
    }
    return {name: x for name, x in values.items() if x == x and x != {}}  # NaN is not itself
