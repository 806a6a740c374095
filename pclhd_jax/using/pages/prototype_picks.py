"""Which pictures stand for a cluster's prototypes: rows of the training pictures, no pixels."""

from typing import NamedTuple

import numpy as np

from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.labelled_features import SavedEpoch
from pclhd_jax.settings.schedule import When
from pclhd_jax.settings.sections import Settings
from pclhd_jax.training.banks import make_banks
from pclhd_jax.training.features import Features

NUM_NEAREST, MOST_DRAWN = 4, 6


class Picks(NamedTuple):
    """Of one cluster; rows of its modality's training pictures."""

    cluster: int
    size: int
    nearest: list[int]  # to the centroid, nearest first
    hard: list[int]  # farthest from it, farthest first: config.prototypes.num_farthest of them
    drawn: list[int]  # the first dynamic prototypes as the epoch draws them; none in stage 1


def banks_of_rows(settings: Settings, saved: SavedEpoch) -> dict[str, PrototypeBank]:
    """The banks that the epoch begins with, by modality.

    Row numbers go in as the momentum encoder's features: the dynamic prototypes that come out name
    the pictures which the epoch draws, for the draw reads labels and a key alone.
    """
    when = When(saved.stage, saved.epoch)
    z = Features(saved.visible_ND, saved.infrared_ND)
    rows = Features(*(np.arange(len(z_ND), dtype=np.float32)[:, None] for z_ND in z))
    banks = make_banks(settings, make_mesh(), when, z, rows, saved.labels)
    return dict(zip(MODALITIES, banks[:2], strict=True))


def similarities(z_ND: np.ndarray, labels_N: np.ndarray, centroid_KD: np.ndarray) -> np.ndarray:
    """(N,) cosine of each picture and its cluster's centroid; NaN for outliers."""
    unit_ND = z_ND / np.linalg.norm(z_ND, axis=1, keepdims=True)
    similarity_N = np.einsum("nd,nd->n", unit_ND, centroid_KD[labels_N])
    return np.where(labels_N < 0, np.nan, similarity_N)


def picks_of(
    cluster: int,
    labels_N: np.ndarray,
    similarity_N: np.ndarray,
    drawn_KS: np.ndarray,
    num_farthest: int,
) -> Picks:
    """drawn_KS: rows; S may be 0."""
    rows_n = np.flatnonzero(labels_N == cluster)
    nearest_n = rows_n[np.argsort(-similarity_N[rows_n], kind="stable")]
    farthest_n = rows_n[np.argsort(similarity_N[rows_n], kind="stable")]
    return Picks(
        cluster,
        len(rows_n),
        nearest_n[:NUM_NEAREST].tolist(),
        farthest_n[: max(1, min(num_farthest, NUM_NEAREST))].tolist(),
        drawn_KS[cluster, :MOST_DRAWN].tolist(),
    )


def telling_clusters(labels_N: np.ndarray, similarity_N: np.ndarray) -> tuple[int, ...]:
    """The cluster whose farthest picture is least like its centroid, and the middle one by that."""
    num_clusters = labels_N.max() + 1
    least_K = [similarity_N[labels_N == cluster].min() for cluster in range(num_clusters)]
    order_K = np.argsort(least_K, kind="stable").tolist()
    return tuple(dict.fromkeys([order_K[0], order_K[len(order_K) // 2]]))


def same_cluster(labels_N: np.ndarray, cluster: int, earlier_N: np.ndarray) -> int | None:
    """The earlier cluster that shares most pictures with this one, of equal ones the first.

    None: all of its pictures were outliers.
    """
    shared_n = earlier_N[(labels_N == cluster) & (earlier_N >= 0)]
    return int(np.bincount(shared_n).argmax()) if len(shared_n) else None
