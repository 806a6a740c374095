"""Sweeps over eps and k-distances, against plain loops over dense arrays."""

import numpy as np
import pytest

from pclhd_jax.clustering.jaccard import jaccard_distance
from pclhd_jax.clustering.labels import cluster_quality, labels_from_distance, pseudo_labels
from pclhd_jax.clustering.sweep import SweepRow, eps_sweep, k_distances, sweep_row
from tests.helpers.dense_jaccard import filled, people

EPS_E = (0.1, 0.3, 0.45, 0.6, 0.75, 0.9)
K1, K2 = 8, 3


def distances(z_ND, cutoff, modality_N=None):
    return jaccard_distance(z_ND, k1=K1, k2=K2, modality_N=modality_N, cutoff=cutoff)


def naive_labels(distance_NN, eps, min_samples):
    """DBSCAN by its definition: cores that reach each other, then the pictures near a core."""
    near_NN = distance_NN <= eps
    is_core_N = near_NN.sum(axis=1) >= min_samples
    labels_N = np.full(len(near_NN), -1)
    num_clusters = 0
    for start in range(len(near_NN)):
        if not is_core_N[start] or labels_N[start] >= 0:
            continue
        reached = [start]
        while reached:
            i = reached.pop()
            if labels_N[i] < 0:
                labels_N[i] = num_clusters
                reached += [j for j in range(len(near_NN)) if near_NN[i, j] and is_core_N[j]]
        num_clusters += 1
    for i in np.flatnonzero(~is_core_N):
        neighbours = labels_N[near_NN[i] & is_core_N]
        labels_N[i] = neighbours.min() if len(neighbours) else -1
    return labels_N


@pytest.mark.parametrize("noise, min_samples", [(0.6, 2), (0.8, 4), (1.2, 3)])
def test_a_sweep_counts_what_plain_dbscan_finds_at_every_eps(noise, min_samples):
    z_ND = people(80, 9, noise, seed=1)
    modality_N = np.arange(80) % 3 // 2
    identities_N = np.arange(80) % 9
    rows = eps_sweep(
        distances(z_ND, 0.95, modality_N),
        EPS_E,
        min_samples=min_samples,
        modality_N=modality_N,
        identities_N=identities_N,
    )
    dense_NN = filled(distances(z_ND, 1.0, modality_N))
    for eps, row in zip(EPS_E, rows, strict=True):
        labels_N = naive_labels(dense_NN, eps, min_samples)
        sizes = [np.sum(labels_N == label) for label in range(labels_N.max() + 1)]
        both = [len(set(modality_N[labels_N == c])) == 2 for c in range(labels_N.max() + 1)]
        assert row[:3] == (eps, len(sizes), sum(both))
        assert row.outlier_share == pytest.approx(np.sum(labels_N < 0) / 80)
        assert row.largest_share == pytest.approx(max(sizes, default=0) / 80)
        quality = cluster_quality(labels_N, identities_N)
        assert row.adjusted_rand_index == quality.adjusted_rand_index
    assert len({row.num_clusters for row in rows}) > 2  # the sweep does sweep something


@pytest.mark.parametrize("balanced", [False, True])
def test_one_wide_matrix_gives_the_labels_that_the_pictures_would_at_every_eps(balanced):
    z_ND = people(90, 8, 0.7, seed=2)
    modality_N = np.arange(90) % 2 if balanced else None
    distance_NN = distances(z_ND, 0.95, modality_N)
    stored = np.unique(distance_NN.data)
    # Values that occur as distances, too: a pair at distance eps is within eps.
    for eps in (*EPS_E, *stored[len(stored) // 5 :: len(stored) // 5]):
        np.testing.assert_array_equal(
            labels_from_distance(distance_NN, eps=float(eps), min_samples=3),
            pseudo_labels(z_ND, eps=float(eps), min_samples=3, k1=K1, k2=K2, modality_N=modality_N),
        )


def test_the_distances_are_left_as_they_were():
    distance_NN = distances(people(60, 5, 0.7), 0.9)
    before = [array.copy() for array in (distance_NN.data, distance_NN.indices)]
    eps_sweep(distance_NN, EPS_E[:2], min_samples=3)
    labels_from_distance(distance_NN, eps=0.5, min_samples=3)
    k_distances(distance_NN, 3)
    np.testing.assert_array_equal(before[0], distance_NN.data)
    np.testing.assert_array_equal(before[1], distance_NN.indices)


def test_a_row_of_the_sweep_by_hand():
    labels_N = np.array([0, 0, 0, 1, 1, -1, -1, 2, 2, -1])
    modality_N = np.array([0, 0, 1, 0, 0, 0, 1, 1, 0, 1])
    assert sweep_row(0.5, labels_N) == SweepRow(0.5, 3, None, 0.3, 0.3, None)
    # Clusters 0 and 2 hold both modalities.
    assert sweep_row(0.5, labels_N, modality_N).num_mixed == 2
    # Pairs together, of 45: 5 in the clusters, 20 in the identities, 3 + 1 + 0 in both.
    identities_N = np.array([0, 0, 0, 0, 0, 1, 1, 0, 1, 1])
    sizes = 6 * 5 // 2 + 4 * 3 // 2
    expected = (4 - 5 * sizes / 45) / ((5 + sizes) / 2 - 5 * sizes / 45)
    assert sweep_row(0.5, labels_N, None, identities_N).adjusted_rand_index == pytest.approx(
        expected
    )


def test_outliers_alone_are_no_cluster():
    outliers_N = np.full(4, -1)
    assert sweep_row(0.1, outliers_N, np.array([0, 0, 1, 1]), np.arange(4)) == SweepRow(
        0.1, 0, 0, 1.0, 0.0, 1.0
    )


@pytest.mark.parametrize("eps, min_samples, message", [(1.0, 3, "eps is 1.0"), (0.5, 0, "is 0")])
def test_arguments_out_of_range_are_refused(eps, min_samples, message):
    with pytest.raises(ValueError, match=message):
        eps_sweep(distances(people(9, 3, 0.1), 0.9), [eps], min_samples=min_samples)


@pytest.mark.parametrize("k", [1, 2, 4, 12, 80])
def test_k_distances_are_those_of_sorted_dense_rows_and_infinite_beyond_the_cutoff(k):
    z_ND = people(80, 9, 1.0, seed=3)
    dense_NN = filled(distances(z_ND, 1.0)).astype(np.float32)
    expected_N = np.sort(np.sort(dense_NN, axis=1)[:, k - 1])
    expected_N[expected_N >= np.float32(0.5)] = np.inf
    np.testing.assert_array_equal(k_distances(distances(z_ND, 0.5), k), expected_N)
    if k == 4:
        assert 0 < np.isinf(expected_N).sum() < 80


def test_pictures_with_a_k_distance_of_at_most_eps_are_the_cores():
    distance_NN = distances(people(80, 9, 0.7, seed=4), 0.95)
    within_N = np.diff(distance_NN.indptr) - np.bincount(
        np.repeat(np.arange(80), np.diff(distance_NN.indptr))[distance_NN.data > 0.5],
        minlength=80,
    )
    assert np.sum(k_distances(distance_NN, 4) <= 0.5) == np.sum(within_N >= 4)


def test_a_picture_is_its_own_nearest_and_duplicates_are_next():
    z_ND = np.repeat(people(4, 4, 0.5), 3, axis=0)
    distance_NN = jaccard_distance(z_ND, k1=2, k2=3, cutoff=0.5)
    assert (k_distances(distance_NN, 3) == np.finfo(np.float32).tiny).all()
    with pytest.raises(ValueError, match="k is 0"):
        k_distances(distance_NN, 0)
