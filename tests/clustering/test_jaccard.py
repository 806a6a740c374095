"""The Jaccard distance against plain loops over dense arrays."""

import numpy as np
import pytest

from benchmarks.person_features import draw_features
from pclhd_jax.clustering.cluster_settings import JaccardSettings
from pclhd_jax.clustering.jaccard import (
    _by_popularity,
    _most_pairs,
    _query_expansion,
    _reciprocal_encoding,
    distance_of,
    jaccard_distance,
)
from pclhd_jax.clustering.labels import pseudo_labels
from pclhd_jax.clustering.neighbour_lists import NeighbourLists
from pclhd_jax.clustering.neighbour_search import nearest_neighbours
from tests.helpers.dense_jaccard import TINY, dense_jaccard, filled, people, stored_mask


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


@pytest.mark.parametrize("k1, k2", [(5, 1), (6, 3), (7, 4), (9, 6), (4, 12), (1, 2)])
@pytest.mark.parametrize("count_self, unit_features", [(True, True), (False, False), (True, False)])
def test_the_released_programs_lists_and_lengths_follow_their_definition(
    k1, k2, count_self, unit_features
):
    z_ND = people(48, 5, 0.7, seed=k1)
    if not unit_features:  # lengths that change who is near
        z_ND = z_ND * np.random.default_rng(k1).uniform(0.4, 1, (48, 1)).astype(np.float32)
    modality_N = np.random.default_rng(k1).choice([0, 1], 48)
    options = dict(k1=k1, k2=k2, modality_N=modality_N, count_self=count_self)
    distance_NN = jaccard_distance(z_ND, **options, unit_features=unit_features)
    expected_NN = dense_jaccard(z_ND, **options)
    np.testing.assert_allclose(filled(distance_NN), expected_NN, atol=2e-6)
    other = dense_jaccard(z_ND, **options | dict(count_self=not count_self))
    assert np.abs(other - expected_NN).max() > 0.01


def test_rows_longer_than_one_or_not_finite_are_refused_in_either_form():
    z_ND = people(20, 4, 0.5)
    for scale, unit_features, word in (
        (0.9, True, "not unit vectors"),
        (1.1, False, "not at most 1 long"),
        (np.nan, False, "not at most 1 long"),
    ):
        with pytest.raises(ValueError, match=word):
            jaccard_distance(np.float32(z_ND * scale), k1=5, k2=2, unit_features=unit_features)
    jaccard_distance(np.float32(z_ND * 0.9), k1=5, k2=2, unit_features=False)


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
    settings = JaccardSettings(k1=15, k2=k2)
    lists = nearest_neighbours(features.features_ND, 16)
    encoding = _reciprocal_encoding(features.features_ND, lists, settings)
    encoding = _query_expansion(encoding, lists.indices_Nk[:, :k2], features.modality_N)
    by_column, by_row = _by_popularity(encoding)
    bound = _most_pairs(by_row, by_column, cutoff)
    distance_NN = distance_of(
        features.features_ND, settings, lists=lists, modality_N=features.modality_N, cutoff=cutoff
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


@pytest.mark.parametrize("num_rows", [1, 2, 5])
def test_fewer_pictures_than_neighbours_are_no_error(num_rows):
    z_ND = people(num_rows, num_rows, 0.1)
    distance_NN = jaccard_distance(z_ND, k1=30, k2=6)
    np.testing.assert_allclose(filled(distance_NN), dense_jaccard(z_ND, k1=30, k2=6), atol=2e-6)


def test_lists_found_elsewhere_give_the_same_distance():
    z_ND = people(50, 4, 0.6)
    settings = JaccardSettings(k1=8, k2=3)
    lists = nearest_neighbours(z_ND, 20)  # longer than needed
    given_lists = distance_of(z_ND, settings, lists=lists)
    np.testing.assert_array_equal(
        given_lists.toarray(), jaccard_distance(z_ND, k1=8, k2=3).toarray()
    )
    with pytest.raises(ValueError, match="need 9 neighbours"):
        short = NeighbourLists(*(x[:, :8] for x in lists))
        distance_of(z_ND, settings, lists=short)
    with pytest.raises(
        ValueError, match="numbered 1 to 50; with 50 rows give numbers from 0 to 49"
    ):
        distance_of(z_ND, settings, lists=lists._replace(indices_Nk=lists[0] + 1))


def test_one_modality_alone_is_averaged_plainly():
    z_ND = people(40, 4, 0.6)
    plain = jaccard_distance(z_ND, k1=8, k2=5)
    balanced = jaccard_distance(z_ND, k1=8, k2=5, modality_N=np.ones(40, int))
    np.testing.assert_array_equal(plain.toarray(), balanced.toarray())


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
