"""Rows of made-up people, and the Jaccard distance of its definition, by plain loops."""

import numpy as np

TINY = np.finfo(np.float32).tiny


def people(num_rows, num_people, noise, *, width=16, seed=0):
    rng = np.random.default_rng(seed)
    centre_PD = rng.standard_normal((num_people, width))
    x_ND = centre_PD[np.arange(num_rows) % num_people]
    x_ND = x_ND + noise * rng.standard_normal((num_rows, width))
    return (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(np.float32)


def ranked_lists(similarity_NN):
    """Row itself first, then by falling similarity, then by row number."""
    lists = []
    for i, row in enumerate(similarity_NN):
        others = sorted((j for j in range(len(row)) if j != i), key=lambda j: (-row[j], j))
        lists.append([i, *others])
    return lists


def dense_jaccard(features_ND, *, k1, k2, modality_N=None, count_self=False):
    """The definition of Zhong et al. (CVPR 2017), one picture at a time, all of it dense.

    Neighbours by L2 distance: for unit rows the order of the inner products. count_self: the
    released program's lists, of k1 entries where the definition has k1 + 1.
    """
    z_ND = features_ND.astype(np.float64)
    num_rows = len(z_ND)
    lists = ranked_lists(-((z_ND[:, None] - z_ND[None]) ** 2).sum(axis=2))

    def reciprocal(i, entries):
        return {j for j in lists[i][:entries] if i in lists[j][:entries]}

    full = k1 if count_self else k1 + 1
    half = {0: k1 // 2, 1: k1 // 2, 2: k1 // 2, 3: k1 // 2 + 1}[k1 % 4] + 1  # halves to even
    v_NN = np.zeros((num_rows, num_rows))
    for i in range(num_rows):
        original = reciprocal(i, full)
        grown = set(original)
        for j in original:
            candidate = reciprocal(j, half)
            if len(candidate & original) > 2 / 3 * len(candidate) + 1e-9:
                grown |= candidate
        for j in grown:
            v_NN[i, j] = np.exp(-(2 - 2 * z_ND[i] @ z_ND[j]))
        v_NN[i] /= v_NN[i].sum()

    expanded_NN = np.zeros_like(v_NN)
    for i in range(num_rows):
        near = lists[i][:k2]
        groups = [near]
        if modality_N is not None:
            groups = [[j for j in near if modality_N[j] == m] for m in set(modality_N.tolist())]
        means = [np.mean([v_NN[j] for j in group], axis=0) for group in groups if group]
        expanded_NN[i] = np.mean(means, axis=0)

    distance_NN = np.zeros_like(v_NN)
    for i in range(num_rows):
        for j in range(num_rows):
            shared = np.minimum(expanded_NN[i], expanded_NN[j]).sum()
            total = np.maximum(expanded_NN[i], expanded_NN[j]).sum()
            distance_NN[i, j] = max(0.0, 1 - shared / total)
    return distance_NN


def stored_mask(matrix):
    mask_NN = np.zeros(matrix.shape, bool)
    mask_NN[np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices] = True
    return mask_NN


def filled(matrix):
    """Dense, with 1 where nothing is stored."""
    return np.where(stored_mask(matrix), matrix.toarray(), 1.0)
