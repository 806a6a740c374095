"""Draws the rows of training batches: P clusters, S pictures each, across cameras."""

from typing import NamedTuple

import numpy as np


class BatchShape(NamedTuple):
    """Of one modality: P clusters with S = `shots` pictures each, for every batch of an epoch."""

    clusters_per_batch: int
    shots: int
    num_batches: int
    exact_pool_repeats: bool = False  # as in `draw_shots`


def sample_batches(
    labels_N: np.ndarray,
    cameras_N: np.ndarray | None,
    shape: BatchShape,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Rows of `shape.num_batches` batches: int32 (M, P*S), indices into the N pictures.

    labels_N: cluster of each picture, negative = outlier, never drawn; numbers may have gaps.
    cameras_N: camera of each picture, or None for the camera-free sampler. The S pictures of a
    cluster lie side by side. The same rng state gives the same rows.
    Raises ValueError when there is no cluster, or when a count is below 1.
    Source: the camera-aware cluster sampler of the method's released program.
    """
    labels_N = np.asarray(labels_N)
    clusters_K = np.unique(labels_N[labels_N >= 0])
    if not clusters_K.size:
        raise ValueError(
            f"no cluster to draw from: {labels_N.size:,} of {labels_N.size:,} pictures are "
            "outliers, at least 1 cluster is needed; raise the DBSCAN eps or lower min_samples"
        )
    order_MP = cluster_order(
        clusters_K.size,
        clusters_per_batch=shape.clusters_per_batch,
        num_batches=shape.num_batches,
        rng=rng,
    )
    return draw_shots(
        clusters_K[order_MP],
        labels_N,
        cameras_N,
        shots=shape.shots,
        rng=rng,
        exact_pool_repeats=shape.exact_pool_repeats,
    )


def cluster_order(
    num_clusters: int, *, clusters_per_batch: int, num_batches: int, rng: np.random.Generator
) -> np.ndarray:
    """Clusters of each batch: int32 (M, P) in 0..num_clusters-1.

    All clusters once in random order, then reshuffled: use counts differ by at most one. A batch
    holds no cluster twice unless there are fewer than P of them. Raises ValueError for counts
    below 1.
    """
    if num_clusters < 1:
        raise ValueError(
            f"no cluster to draw from: num_clusters is {num_clusters}, at least 1 is needed; "
            "raise the DBSCAN eps or lower min_samples"
        )
    if clusters_per_batch < 1 or num_batches < 1:
        raise ValueError(
            f"clusters_per_batch is {clusters_per_batch} and num_batches is {num_batches}; "
            "both must be at least 1"
        )
    order_MP = np.empty((num_batches, clusters_per_batch), np.int32)
    left = np.empty(0, np.int32)
    for batch in range(num_batches):
        row, left = left[:clusters_per_batch], left[clusters_per_batch:]
        while (need := clusters_per_batch - row.size) > 0:
            fresh = rng.permutation(num_clusters).astype(np.int32)
            held = np.isin(fresh, row)
            # Clusters this batch holds already take a later place in the new order; mixing them in
            # again keeps the same clusters from meeting at every restart.
            first, rest = fresh[~held][:need], fresh[~held][need:]
            fresh = np.concatenate([first, rng.permutation(np.concatenate([rest, fresh[held]]))])
            row, left = np.concatenate([row, fresh[:need]]), fresh[need:]
        order_MP[batch] = row
    return order_MP


def draw_shots(
    cluster_ids_MP: np.ndarray,
    labels_N: np.ndarray,
    cameras_N: np.ndarray | None,
    *,
    shots: int,
    rng: np.random.Generator,
    exact_pool_repeats: bool = False,
) -> np.ndarray:
    """Pictures of each drawn cluster: int32 (M, P*S), indices into the N pictures.

    Per cluster a random anchor, then S-1 more: from other cameras than the anchor's if there are
    any, else from the rest of the cluster, else the anchor again. Without replacement, unless the
    pool is smaller than S-1; exact_pool_repeats: or has exactly S-1, as in the released program.
    cameras_N None: the rest of the cluster, whatever the camera.
    Raises ValueError for a cluster id that is negative (outliers) or has no picture, for shots
    below 1 and for cameras of another length than labels.
    """
    cluster_ids_MP, labels_N = np.asarray(cluster_ids_MP), np.asarray(labels_N)
    cameras_N = np.zeros_like(labels_N) if cameras_N is None else np.asarray(cameras_N)
    if shots < 1:
        raise ValueError(f"shots is {shots}; at least 1 picture per cluster is needed")
    if cameras_N.shape != labels_N.shape:
        raise ValueError(
            f"cameras have shape {cameras_N.shape}, labels {labels_N.shape}; "
            "give one camera per picture, or None"
        )
    wanted_K = np.unique(cluster_ids_MP)
    empty_K = wanted_K[(wanted_K < 0) | ~np.isin(wanted_K, labels_N)]
    if empty_K.size:
        raise ValueError(
            f"{empty_K.size:,} of {wanted_K.size:,} clusters to draw have no picture, the first is "
            f"{empty_K[0]} (negative labels are outliers); draw only clusters found in the labels"
        )
    # Sorted by (cluster, camera), "other cameras" is a cluster's range without one block.
    rows_N = np.lexsort((cameras_N, labels_N))
    labels_N, cameras_N = labels_N[rows_N], cameras_N[rows_N]
    ids = cluster_ids_MP.ravel()
    begins = np.searchsorted(labels_N, ids, "left")
    ends = np.searchsorted(labels_N, ids, "right")
    places = np.empty((ids.size, shots), np.intp)
    for i, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        places[i] = _draw_cluster(begin, cameras_N[begin:end], shots, rng, exact_pool_repeats)
    return rows_N[places].astype(np.int32).reshape(len(cluster_ids_MP), -1)


def _draw_cluster(
    begin: int,
    cameras_C: np.ndarray,
    shots: int,
    rng: np.random.Generator,
    exact_pool_repeats: bool,
) -> np.ndarray:
    """Places of one cluster's S pictures; cameras_C are sorted, the first one is at `begin`."""
    size = cameras_C.size
    anchor = int(rng.integers(size))
    block = int(cameras_C.searchsorted(cameras_C[anchor], "left"))
    block_end = int(cameras_C.searchsorted(cameras_C[anchor], "right"))
    if block_end - block == size:  # One camera only: leave out the anchor alone.
        block, block_end = anchor, anchor + (size > 1)
    pool = size - (block_end - block)
    repeats = pool < shots if exact_pool_repeats else pool < shots - 1
    picks = rng.choice(pool, shots - 1, replace=repeats)
    picks[picks >= block] += block_end - block
    return begin + np.concatenate([[anchor], picks])
