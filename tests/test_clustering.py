"""Neighbours, Jaccard distance and pseudo labels against plain loops over dense arrays."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from benchmarks.person_features import draw_features
from pclhd_jax.clustering.jaccard import (
    _by_popularity,
    _most_pairs,
    _query_expansion,
    _reciprocal_encoding,
    jaccard_distance,
    jaccard_from_neighbours,
)
from pclhd_jax.clustering.labels import cluster_quality, pseudo_labels
from pclhd_jax.clustering.neighbours import (
    Neighbours,
    nearest_neighbours,
    neighbours_by_modality,
)

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


def dense_jaccard(features_ND, *, k1, k2, modality_N=None):
    """The definition of Zhong et al. (CVPR 2017), one picture at a time, all of it dense."""
    z_ND = features_ND.astype(np.float64)
    num_rows = len(z_ND)
    lists = ranked_lists(z_ND @ z_ND.T)

    def reciprocal(i, k):
        return {j for j in lists[i][: k + 1] if i in lists[j][: k + 1]}

    half = {0: k1 // 2, 1: k1 // 2, 2: k1 // 2, 3: k1 // 2 + 1}[k1 % 4]  # halves to even
    v_NN = np.zeros((num_rows, num_rows))
    for i in range(num_rows):
        original = reciprocal(i, k1)
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


@pytest.mark.parametrize("block_rows", [7, 60, 1000])
@pytest.mark.parametrize("tile_rows", [5, 23, 60, 1000])
def test_neighbours_are_those_of_a_full_sort(block_rows, tile_rows):
    z_ND = people(60, 6, 0.5)
    indices_Nk, similarities_Nk = nearest_neighbours(
        z_ND, 11, block_rows=block_rows, tile_rows=tile_rows
    )
    exact_NN = z_ND.astype(np.float64) @ z_ND.T.astype(np.float64)
    assert indices_Nk.dtype == np.int32 and similarities_Nk.dtype == np.float32
    np.testing.assert_array_equal(indices_Nk, np.array(ranked_lists(exact_NN))[:, :11])
    np.testing.assert_allclose(
        similarities_Nk, np.take_along_axis(exact_NN, indices_Nk, axis=1), atol=1e-6
    )


@pytest.mark.parametrize("tile_rows", [1, 2, 5])
def test_a_row_heads_its_own_list_and_ties_go_by_row_number(tile_rows):
    z_ND = np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 0]]
    indices_Nk, similarities_Nk = nearest_neighbours(z_ND, 4, tile_rows=tile_rows)
    np.testing.assert_array_equal(
        indices_Nk, [[0, 1, 2, 4], [1, 0, 2, 4], [2, 0, 1, 4], [3, 0, 1, 2], [4, 0, 1, 2]]
    )
    np.testing.assert_array_equal(similarities_Nk[3], [1, 0, 0, 0])


@pytest.mark.parametrize("own, joint", [(7, 11), (11, 7), (30, 90)])
@pytest.mark.parametrize("num_visible", [1, 20, 41])
def test_lists_by_modality_are_those_of_separate_searches(own, joint, num_visible):
    z_ND = people(60, 6, 0.5)
    z_ND[3], z_ND[50] = z_ND[41], z_ND[41]  # equal in two modalities, and within one
    parts = z_ND[:num_visible], z_ND[num_visible:]
    lists = neighbours_by_modality(
        *parts, own_neighbours=own, joint_neighbours=joint, block_rows=13, tile_rows=17
    )
    lengths = own, own, joint
    for found, features_ND, length in zip(lists, (*parts, z_ND), lengths, strict=True):
        alone = nearest_neighbours(features_ND, length)
        np.testing.assert_array_equal(found.indices_Nk, alone.indices_Nk)
        np.testing.assert_allclose(found.similarities_Nk, alone.similarities_Nk, atol=1e-6)


def test_the_search_reports_every_pair_once():
    z_ND, seen = people(60, 6, 0.5), []
    parts = z_ND[:41], z_ND[41:]
    neighbours_by_modality(
        *parts,
        own_neighbours=3,
        joint_neighbours=4,
        block_rows=13,
        tile_rows=17,
        report=lambda done, total: seen.append((done, total)),
    )
    assert {total for _, total in seen} == {3600}
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (3600, 3600)


def test_lists_end_where_the_rows_end():
    indices_Nk, _ = nearest_neighbours(people(5, 2, 0.3), 40)
    assert indices_Nk.shape == (5, 5)
    np.testing.assert_array_equal(np.sort(indices_Nk, axis=1), np.tile(np.arange(5), (5, 1)))


# k1 = 5, 6, 7, 9 have halves 2.5 -> 2, 3, 3.5 -> 4, 4.5 -> 4: rounding to even shows.
@pytest.mark.parametrize("k1, k2", [(5, 1), (6, 3), (7, 4), (9, 6), (4, 12), (1, 2)])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("noise", [0.4, 1.0])
def test_the_jaccard_distance_follows_its_definition(k1, k2, balanced, noise):
    z_ND = people(48, 5, noise, seed=k1)
    modality_N = np.random.default_rng(k1).choice([3, 8], 48, p=[0.7, 0.3]) if balanced else None
    distance_NN = jaccard_distance(z_ND, k1=k1, k2=k2, modality_N=modality_N)
    expected_NN = dense_jaccard(z_ND, k1=k1, k2=k2, modality_N=modality_N)
    np.testing.assert_allclose(filled(distance_NN), expected_NN, atol=2e-6)
    assert distance_NN.dtype == np.float32 and distance_NN.has_sorted_indices


def test_rows_are_right_across_the_borders_of_row_blocks():
    z_ND = people(530, 40, 0.6)  # the blocks are 512 rows
    modality_N = np.arange(530) % 3 // 2
    distance_NN = jaccard_distance(z_ND, k1=8, k2=4, modality_N=modality_N)
    expected_NN = dense_jaccard(z_ND, k1=8, k2=4, modality_N=modality_N)
    np.testing.assert_allclose(filled(distance_NN), expected_NN, atol=2e-6)


@pytest.mark.parametrize("cutoff", [0.95, 0.6, 0.3])
@pytest.mark.parametrize("k2", [1, 12])
def test_no_row_has_more_pairs_than_its_buffer(cutoff, k2):
    features = draw_features(700, width=64, noise=1.5)
    lists = nearest_neighbours(features.features_ND, 16)
    encoding = _reciprocal_encoding(features.features_ND, *lists, 15)
    encoding = _query_expansion(encoding, lists.indices_Nk[:, :k2], features.modality_N)
    by_column, by_row = _by_popularity(encoding)
    bound = _most_pairs(by_row, by_column, cutoff)
    distance_NN = jaccard_from_neighbours(
        features.features_ND, lists, k1=15, k2=k2, modality_N=features.modality_N, cutoff=cutoff
    )
    most = np.diff(distance_NN.indptr).max() - 1  # both sides of the diagonal
    assert most <= bound <= 700


def test_what_is_left_out_of_the_sums_for_speed_changes_no_distance():
    features = draw_features(700, width=64, noise=2.0)
    sizes = dict(k1=15, k2=12, modality_N=features.modality_N, cutoff=0.6)
    distance_NN = jaccard_distance(features.features_ND, **sizes)
    expected_NN = dense_jaccard(features.features_ND, k1=15, k2=12, modality_N=features.modality_N)
    assert distance_NN.nnz > 3000
    np.testing.assert_array_equal(stored_mask(distance_NN), expected_NN < 0.6)
    close_NN = stored_mask(distance_NN)
    np.testing.assert_allclose(distance_NN.toarray()[close_NN], expected_NN[close_NN], atol=2e-6)


@pytest.mark.parametrize("cutoff", [0.9, 0.6, 0.3])
def test_a_cutoff_only_leaves_out_pairs_at_or_above_it(cutoff):
    z_ND = people(60, 4, 0.7)
    whole = jaccard_distance(z_ND, k1=10, k2=5)
    part = jaccard_distance(z_ND, k1=10, k2=5, cutoff=cutoff)
    below_NN = filled(whole) < cutoff
    assert below_NN.sum() > 60 and (~below_NN & stored_mask(whole)).any()
    np.testing.assert_array_equal(stored_mask(part), below_NN)
    np.testing.assert_array_equal(part.toarray()[below_NN], whole.toarray()[below_NN])


def test_the_pair_at_the_cutoff_itself_is_left_out():
    z_ND = people(40, 4, 0.7)
    whole = jaccard_distance(z_ND, k1=8, k2=3)
    value = np.sort(whole.data)[len(whole.data) // 2]
    assert not (jaccard_distance(z_ND, k1=8, k2=3, cutoff=float(value)).data >= value).any()
    above = float(np.nextafter(value, np.float32(1)))
    assert jaccard_distance(z_ND, k1=8, k2=3, cutoff=above).data.max() == value


def test_the_distance_is_symmetric_to_the_last_bit():
    distance_NN = jaccard_distance(people(200, 9, 0.8), k1=12, k2=6).toarray()
    np.testing.assert_array_equal(distance_NN, distance_NN.T)


@pytest.mark.parametrize("cutoff", [1.0, 0.01, 1e-9])
def test_the_diagonal_and_exact_duplicates_are_stored_as_the_smallest_float(cutoff):
    z_ND = np.repeat(people(6, 6, 0.5), 4, axis=0)
    distance_NN = jaccard_distance(z_ND, k1=3, k2=4, cutoff=cutoff)
    same_NN = np.equal.outer(np.arange(24) // 4, np.arange(24) // 4)
    np.testing.assert_array_equal(stored_mask(distance_NN) & same_NN, same_NN)
    assert (distance_NN.toarray()[same_NN] == TINY).all()


def test_identical_pictures_are_one_cluster():
    z_ND = np.tile(people(1, 1, 0.0), (7, 1))
    distance_NN = jaccard_distance(z_ND, k1=10, k2=3)
    np.testing.assert_array_equal(distance_NN.toarray(), np.full((7, 7), TINY))
    labels_N = pseudo_labels(z_ND, eps=0.5, min_samples=4, k1=10, k2=3)
    np.testing.assert_array_equal(labels_N, np.zeros(7))


@pytest.mark.parametrize("num_rows", [1, 2, 5])
def test_fewer_pictures_than_neighbours_are_no_error(num_rows):
    z_ND = people(num_rows, num_rows, 0.1)
    distance_NN = jaccard_distance(z_ND, k1=30, k2=6)
    np.testing.assert_allclose(filled(distance_NN), dense_jaccard(z_ND, k1=30, k2=6), atol=2e-6)


def test_lists_found_elsewhere_give_the_same_distance():
    z_ND = people(50, 4, 0.6)
    lists = nearest_neighbours(z_ND, 20)  # longer than needed
    given_lists = jaccard_from_neighbours(z_ND, lists, k1=8, k2=3)
    np.testing.assert_array_equal(
        given_lists.toarray(), jaccard_distance(z_ND, k1=8, k2=3).toarray()
    )
    with pytest.raises(ValueError, match="need 9 neighbours"):
        short = Neighbours(*(x[:, :8] for x in lists))
        jaccard_from_neighbours(z_ND, short, k1=8, k2=3)
    with pytest.raises(
        ValueError, match="numbered 1 to 50; with 50 rows give numbers from 0 to 49"
    ):
        jaccard_from_neighbours(z_ND, lists._replace(indices_Nk=lists[0] + 1), k1=8, k2=3)


def test_one_modality_alone_is_averaged_plainly():
    z_ND = people(40, 4, 0.6)
    plain = jaccard_distance(z_ND, k1=8, k2=5)
    balanced = jaccard_distance(z_ND, k1=8, k2=5, modality_N=np.ones(40, int))
    np.testing.assert_array_equal(plain.toarray(), balanced.toarray())


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


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda z: z * 1.01, "60 of 60 feature rows are not unit vectors.*L2-normalise"),
        (lambda z: np.where(np.arange(60)[:, None] == 3, np.nan, z), "1 of 60.*row 3 has norm nan"),
        (lambda z: np.where(np.arange(60)[:, None] == 5, np.inf, z), "1 of 60.*row 5 has norm inf"),
        (lambda z: z[:0], "N >= 1"),
    ],
)
def test_features_that_are_not_unit_rows_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        pseudo_labels(change(people(60, 5, 0.1)), eps=0.6, min_samples=4, k1=10, k2=4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"k1": 0}, "k1 is 0"),
        ({"k2": 0}, "k2 is 0"),
        ({"eps": 1.0}, "eps is 1.0"),
        ({"eps": 0.0}, "eps is 0.0"),
        ({"min_samples": 0}, "min_samples is 0"),
        ({"modality_N": np.zeros(9, int)}, r"modality has shape \(9,\)"),
        ({"modality_N": np.arange(10)}, "10 values"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    usual = {"eps": 0.6, "min_samples": 4, "k1": 3, "k2": 2}
    with pytest.raises(ValueError, match=message):
        pseudo_labels(people(10, 2, 0.1), **(usual | arguments))


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


def test_quality_refuses_arrays_that_do_not_match():
    with pytest.raises(ValueError, match="one of each"):
        cluster_quality(np.zeros(3, int), np.zeros(4, int))
