"""Clusters against the true identities: for the record alone, nothing is trained by them."""

import numpy as np
from scipy import sparse


def main_identities(labels_N: np.ndarray, identities_N: np.ndarray) -> np.ndarray:
    """(K,) the most frequent identity of every cluster 0..K-1, of equally frequent ones the least.

    labels_N: int, -1 = outlier, which counts nowhere. identities_N: int.
    """
    return _counts(labels_N, identities_N)[0]


def purity(labels_N: np.ndarray, identities_N: np.ndarray) -> float:
    """Share of the pictures in clusters that show the most frequent identity of theirs; 0..1.

    NaN where all pictures are outliers.
    """
    most_K = _counts(labels_N, identities_N)[1]
    clustered = np.sum(np.asarray(labels_N) >= 0)
    return float(most_K.sum() / clustered) if clustered else float("nan")


def right_matches(
    partner_K: np.ndarray, main_identity_K: np.ndarray, main_identity_L: np.ndarray
) -> float:
    """Share of clusters whose partner in the other modality is mainly of the same person; 0..1.

    partner_K: of every cluster, a cluster of the other modality.
    """
    return float(np.mean(main_identity_L[partner_K] == main_identity_K))


def _counts(labels_N: np.ndarray, identities_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every cluster, its most frequent identity and the number of its pictures."""
    labels_N, identities_N = np.asarray(labels_N), np.asarray(identities_N)
    known_I, column_N = np.unique(identities_N, return_inverse=True)
    kept_N = labels_N >= 0
    count_KI = sparse.coo_array(
        (np.ones(kept_N.sum(), np.int64), (labels_N[kept_N], column_N[kept_N])),
        shape=(labels_N.max(initial=-1) + 1, len(known_I)),
    ).tocsr()
    most_K = count_KI.max(axis=1).toarray().ravel()
    return known_I[np.asarray(count_KI.argmax(axis=1)).ravel()], most_K
