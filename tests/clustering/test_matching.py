"""Cluster matching against hand-worked cases and all permutations."""

from itertools import permutations

import numpy as np
import pytest

from pclhd_jax.clustering.matching import match_clusters


def at_degrees(*angles):
    radians = np.deg2rad(np.array(angles, float))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_equal_counts_are_matched_one_to_one():
    to_second_K, to_first_L = match_clusters(at_degrees(0, 90, 180), at_degrees(175, 5, 95))
    np.testing.assert_array_equal(to_second_K, [1, 2, 0])
    np.testing.assert_array_equal(to_first_L, [2, 0, 1])
    assert to_second_K.dtype == to_first_L.dtype == np.int32


# By hand. L at 0 and 90. Round 1: 1 -> 0 and 91 -> 90. Round 2, of 4, 6, 10: exp(-cosine) of the
# three to the 90 is about 0.93, 0.90, 0.84, to the 0 all 0.37: 10 takes the 90, 4 the 0.
# Round 3: 6, alone, takes the 0.
@pytest.mark.parametrize("swap", [False, True])
def test_the_larger_side_is_assigned_in_rounds_and_the_smaller_keeps_its_first_partner(swap):
    large_KD, small_LD = at_degrees(1, 4, 91, 6, 10), at_degrees(0, 90)
    if swap:
        partner_L, partner_K = match_clusters(small_LD, large_KD)
    else:
        partner_K, partner_L = match_clusters(large_KD, small_LD)
    np.testing.assert_array_equal(partner_K, [0, 0, 1, 0, 1])
    np.testing.assert_array_equal(partner_L, [0, 2])


@pytest.mark.parametrize("num_first", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("num_second", [1, 2, 3, 4, 5])
def test_the_first_round_is_the_best_of_all_permutations(num_first, num_second):
    rng = np.random.default_rng([num_first, num_second])
    first_KD, second_LD = rng.standard_normal((num_first, 3)), rng.standard_normal((num_second, 3))
    to_second_K, to_first_L = match_clusters(first_KD, second_LD)

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    cost_KL = np.exp(-unit(first_KD) @ unit(second_LD).T)
    # Of the smaller side (rows) to the larger.
    if num_first <= num_second:
        cost, chosen = cost_KL, to_second_K
    else:
        cost, chosen = cost_KL.T, to_first_L
    rows = np.arange(len(cost))
    best = min(cost[rows, list(p)].sum() for p in permutations(range(cost.shape[1]), len(cost)))
    assert len(set(chosen.tolist())) == len(cost)
    assert cost[rows, chosen].sum() == pytest.approx(best)


@pytest.mark.parametrize(
    "num_first, num_second", [(1, 1), (1, 9), (9, 1), (3, 10), (10, 3), (4, 7), (6, 6), (20, 3)]
)
def test_every_cluster_gets_a_partner_and_rounds_spread_evenly(num_first, num_second):
    rng = np.random.default_rng(0)
    to_second_K, to_first_L = match_clusters(
        rng.standard_normal((num_first, 4)), rng.standard_normal((num_second, 4))
    )
    assert to_second_K.shape == (num_first,) and to_first_L.shape == (num_second,)
    large, small = sorted([to_second_K, to_first_L], key=len, reverse=True)
    times_S = np.bincount(large, minlength=len(small))
    # Each full round gives every cluster of the smaller side one more.
    assert len(times_S) == len(small)
    assert set(times_S) <= {len(large) // len(small), -(-len(large) // len(small))}
    np.testing.assert_array_equal(large[small], np.arange(len(small)))


def test_only_the_direction_of_a_centroid_counts():
    rng = np.random.default_rng(1)
    first_KD, second_LD = rng.standard_normal((7, 5)), rng.standard_normal((3, 5))
    plain = match_clusters(first_KD, second_LD)
    scaled = match_clusters(first_KD * rng.uniform(0.1, 9, (7, 1)), second_LD * 100)
    np.testing.assert_array_equal(plain[0], scaled[0])
    np.testing.assert_array_equal(plain[1], scaled[1])


@pytest.mark.parametrize(
    "first_KD, second_LD, message",
    [
        (np.zeros((0, 4)), np.ones((2, 4)), "first modality.*at least 1 cluster.*eps"),
        (np.ones((2, 4)), np.zeros((0, 4)), "second modality.*at least 1 cluster.*eps"),
        (np.ones((2, 4)), np.ones((2, 5)), "4 and 5 numbers wide"),
        (np.eye(3)[:, :2], np.ones((2, 2)), "centroid 2 of the first modality has norm 0"),
        (np.ones((2, 2)), np.full((2, 2), np.nan), "centroid 0 of the second modality"),
    ],
)
def test_what_cannot_be_matched_is_refused(first_KD, second_LD, message):
    with pytest.raises(ValueError, match=message):
        match_clusters(first_KD, second_LD)
