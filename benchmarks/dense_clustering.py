"""The textbook way to the same labels, to compare with: N x N arrays, one picture at a time."""

import numpy as np
from sklearn.cluster import DBSCAN


def dense_labels(distance_NN: np.ndarray, *, eps: float, min_samples: int) -> np.ndarray:
    dbscan = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed")
    return dbscan.fit_predict(distance_NN)


def dense_jaccard(
    features_ND: np.ndarray,
    indices_Nk: np.ndarray,
    *,
    k1: int,
    k2: int,
    modality_N: np.ndarray | None,
) -> np.ndarray:
    """(N, N) float32 k-reciprocal Jaccard distances from given neighbour lists."""
    encoding_NN = reciprocal_encoding(features_ND, indices_Nk, k1)
    if k2 > 1:
        encoding_NN = query_expansion(encoding_NN, indices_Nk[:, :k2], modality_N)
    num_rows = len(encoding_NN)
    rows_of_column = [np.flatnonzero(encoding_NN[:, c]) for c in range(num_rows)]
    distance_NN = np.empty((num_rows, num_rows), np.float32)
    for i, row in enumerate(encoding_NN):
        shared_N = np.zeros(num_rows, np.float32)
        for c in np.flatnonzero(row):
            rows = rows_of_column[c]
            shared_N[rows] += np.minimum(row[c], encoding_NN[rows, c])
        distance_NN[i] = np.maximum(0, 1 - shared_N / (2 - shared_N))
    return distance_NN


def reciprocal_encoding(features_ND: np.ndarray, indices_Nk: np.ndarray, k1: int) -> np.ndarray:
    num_rows = len(features_ND)

    def reciprocal(i: int, size: int) -> np.ndarray:
        nearest = indices_Nk[i, :size]
        return nearest[(indices_Nk[nearest, :size] == i).any(axis=1)]

    encoding_NN = np.zeros((num_rows, num_rows), np.float32)
    for i in range(num_rows):
        original = reciprocal(i, k1 + 1)
        grown = [original]
        for j in original:
            candidate = reciprocal(j, round(k1 / 2) + 1)
            if 3 * len(np.intersect1d(candidate, original)) > 2 * len(candidate):
                grown.append(candidate)
        members = np.unique(np.concatenate(grown))
        weights = np.exp(-(2 - 2 * features_ND[members] @ features_ND[i]))
        encoding_NN[i, members] = weights / weights.sum()
    return encoding_NN


def query_expansion(
    encoding_NN: np.ndarray, nearest_Nk: np.ndarray, modality_N: np.ndarray | None
) -> np.ndarray:
    expanded_NN = np.empty_like(encoding_NN)
    for i, nearest_k in enumerate(nearest_Nk):
        if modality_N is None:
            expanded_NN[i] = encoding_NN[nearest_k].mean(axis=0)
            continue
        groups = [nearest_k[modality_N[nearest_k] == m] for m in (0, 1)]
        means = [encoding_NN[group].mean(axis=0) for group in groups if len(group)]
        expanded_NN[i] = np.mean(means, axis=0)
    return expanded_NN
