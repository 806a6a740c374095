"""Pseudo labels against DBSCAN on dense distances, and their quality."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from pclhd_jax.clustering.jaccard import (
    jaccard_distance,
)
from pclhd_jax.clustering.labels import cluster_quality, pseudo_labels
from tests.helpers.dense_jaccard import TINY, dense_jaccard, filled, people


def test_identical_pictures_are_one_cluster():
    z_ND = np.tile(people(1, 1, 0.0), (7, 1))
    distance_NN = jaccard_distance(z_ND, k1=10, k2=3)
    np.testing.assert_array_equal(distance_NN.toarray(), np.full((7, 7), TINY))
    labels_N = pseudo_labels(z_ND, eps=0.5, min_samples=4, k1=10, k2=3)
    np.testing.assert_array_equal(labels_N, np.zeros(7))


@settings(max_examples=40, deadline=None)
@given(
    num_rows=st.sampled_from([2, 9, 24, 40]),
    num_people=st.integers(1, 6),
    noise=st.floats(0.05, 1.2),
    k1=st.sampled_from([1, 3, 5, 6, 11]),
    k2=st.integers(1, 8),
    eps=st.sampled_from([0.2, 0.45, 0.6, 0.8]),
    min_samples=st.integers(1, 5),
    balanced=st.booleans(),
    seed=st.integers(0, 999),
)
def test_labels_are_those_of_dbscan_on_the_dense_distance(
    num_rows, num_people, noise, k1, k2, eps, min_samples, balanced, seed
):
    z_ND = people(num_rows, num_people, noise, seed=seed)
    modality_N = np.arange(num_rows) % 2 if balanced else None
    expected_NN = dense_jaccard(z_ND, k1=k1, k2=k2, modality_N=modality_N)
    assume((np.abs(expected_NN - eps) > 1e-5).all())  # rounding may decide these either way
    dense = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed")
    labels_N = pseudo_labels(
        z_ND, eps=eps, min_samples=min_samples, k1=k1, k2=k2, modality_N=modality_N
    )
    assert labels_N.dtype == np.int32
    np.testing.assert_array_equal(labels_N, dense.fit_predict(expected_NN))


def test_a_pair_at_distance_eps_is_within_eps():
    z_ND = people(30, 3, 0.6, seed=4)
    distance_NN = filled(jaccard_distance(z_ND, k1=6, k2=3)).astype(np.float32)
    np.fill_diagonal(distance_NN, 1)
    nearest_N = distance_NN.min(axis=1)
    tried = sorted(set(nearest_N[(nearest_N > 0.01) & (nearest_N < 1)]))
    assert len(tried) > 5

    def clustered(eps):  # with min_samples 2: every picture with another one within eps
        return pseudo_labels(z_ND, eps=float(eps), min_samples=2, k1=6, k2=3) >= 0

    for eps in tried:
        np.testing.assert_array_equal(clustered(eps), nearest_N <= eps)
        np.testing.assert_array_equal(clustered(np.nextafter(eps, np.float32(0))), nearest_N < eps)


def test_well_separated_people_are_found():
    z_ND = people(60, 5, 0.1)
    labels_N = pseudo_labels(z_ND, eps=0.6, min_samples=4, k1=10, k2=4)
    np.testing.assert_array_equal(labels_N, np.arange(60) % 5)


def test_quality_counts_every_outlier_as_its_own_cluster():
    identities_N = np.array([0, 0, 0, 1, 1, 1])
    perfect = cluster_quality(np.array([1, 1, 1, 0, 0, 0]), identities_N)
    assert perfect == (2, 0, 1.0, 1.0)
    partial = cluster_quality(np.array([0, 0, -1, -1, -1, -1]), identities_N)
    assert partial[:2] == (1, 4)
    # By hand: 1 of 15 pairs together in the clusters, 6 in the identities, 1 in both:
    # (1 - 6/15) / ((1 + 6)/2 - 6/15) = 0.6 / 3.1.
    assert partial.adjusted_rand_index == pytest.approx(0.6 / 3.1)
    # H(identity) = ln 2; the clusters tell all of it; H(cluster) = 4/6 ln 6 + 2/6 ln 3.
    entropy = (4 * np.log(6) + 2 * np.log(3)) / 6
    expected = np.log(2) / ((np.log(2) + entropy) / 2)
    assert partial.normalized_mutual_info == pytest.approx(expected)


def test_no_outlier_falls_in_with_another_or_with_a_cluster():
    # Whoever shared a cluster with an outlier would make this less than perfect.
    labels_N = np.array([-1, 2, 2, -1, 0, 0, 1, 1, -1])
    identities_N = np.array([10, 2, 2, 13, 0, 0, 1, 1, 18])
    assert cluster_quality(labels_N, identities_N) == (3, 3, 1.0, pytest.approx(1.0))


def test_quality_refuses_arrays_that_do_not_match():
    with pytest.raises(ValueError, match="one of each"):
        cluster_quality(np.zeros(3, int), np.zeros(4, int))
