"""Neighbour lists against a full sort."""

import numpy as np
import pytest

from pclhd_jax.clustering.epoch_neighbour_lists import (
    joined,
    search_apart,
    search_apart_and_joint,
)
from pclhd_jax.clustering.neighbour_search import SearchOptions, nearest_neighbours
from pclhd_jax.clustering.shares import Share
from tests.helpers.dense_jaccard import people, ranked_lists


@pytest.mark.parametrize("block_rows", [7, 60, 1000])
@pytest.mark.parametrize("tile_rows", [5, 23, 60, 1000])
def test_neighbours_are_those_of_a_full_sort(block_rows, tile_rows):
    z_ND = people(60, 6, 0.5)
    indices_Nk, similarities_Nk = nearest_neighbours(
        z_ND, 11, options=SearchOptions(block_rows, tile_rows)
    )
    exact_NN = z_ND.astype(np.float64) @ z_ND.T.astype(np.float64)
    assert indices_Nk.dtype == np.int32 and similarities_Nk.dtype == np.float32
    np.testing.assert_array_equal(indices_Nk, np.array(ranked_lists(exact_NN))[:, :11])
    np.testing.assert_allclose(
        similarities_Nk, np.take_along_axis(exact_NN, indices_Nk, axis=1), atol=1e-6
    )


def shorter_rows():
    return people(60, 6, 0.5) * np.random.default_rng(3).uniform(0.5, 1, (60, 1)).astype(np.float32)


@pytest.mark.parametrize("block_rows, tile_rows", [(7, 23), (1000, 1000)])
def test_neighbours_by_l2_distance_are_those_of_a_full_sort(block_rows, tile_rows):
    z_ND = shorter_rows()
    options = SearchOptions(block_rows, tile_rows)
    indices_Nk, similarities_Nk = nearest_neighbours(z_ND, 11, l2=True, options=options)
    exact_ND = z_ND.astype(np.float64)
    distance_NN = ((exact_ND[:, None] - exact_ND[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(indices_Nk, np.array(ranked_lists(-distance_NN))[:, :11])
    np.testing.assert_allclose(
        similarities_Nk, np.take_along_axis(exact_ND @ exact_ND.T, indices_Nk, axis=1), atol=1e-6
    )
    assert (nearest_neighbours(z_ND, 11).indices_Nk != indices_Nk).any()


@pytest.mark.parametrize("tile_rows", [1, 2, 5])
def test_a_row_heads_its_own_list_and_ties_go_by_row_number(tile_rows):
    z_ND = np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 0]]
    indices_Nk, similarities_Nk = nearest_neighbours(
        z_ND, 4, options=SearchOptions(tile_rows=tile_rows)
    )
    np.testing.assert_array_equal(
        indices_Nk, [[0, 1, 2, 4], [1, 0, 2, 4], [2, 0, 1, 4], [3, 0, 1, 2], [4, 0, 1, 2]]
    )
    np.testing.assert_array_equal(similarities_Nk[3], [1, 0, 0, 0])


@pytest.mark.parametrize("own, joint", [(7, 11), (11, 7), (30, 90)])
@pytest.mark.parametrize("num_visible", [1, 20, 41])
@pytest.mark.parametrize("l2", [False, True])
def test_lists_by_modality_are_those_of_separate_searches(own, joint, num_visible, l2):
    z_ND = shorter_rows() if l2 else people(60, 6, 0.5)
    z_ND[3], z_ND[50] = z_ND[41], z_ND[41]  # equal in two modalities, and within one
    parts = z_ND[:num_visible], z_ND[num_visible:]
    lists = search_apart_and_joint(
        *parts, own_neighbours=own, joint_neighbours=joint, l2=l2, options=SearchOptions(13, 17)
    )
    lengths = own, own, joint
    for found, features_ND, length in zip(lists, (*parts, z_ND), lengths, strict=True):
        alone = nearest_neighbours(features_ND, length, l2=l2)
        np.testing.assert_array_equal(found.indices_Nk, alone.indices_Nk)
        np.testing.assert_allclose(found.similarities_Nk, alone.similarities_Nk, atol=1e-6)


def test_the_search_reports_every_pair_once():
    z_ND, seen = people(60, 6, 0.5), []
    parts = z_ND[:41], z_ND[41:]
    search_apart_and_joint(
        *parts,
        own_neighbours=3,
        joint_neighbours=4,
        options=SearchOptions(13, 17, report=lambda done, total: seen.append((done, total))),
    )
    assert {total for _, total in seen} == {3600}
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (3600, 3600)


def test_lists_end_where_the_rows_end():
    indices_Nk, _ = nearest_neighbours(people(5, 2, 0.3), 40)
    assert indices_Nk.shape == (5, 5)
    np.testing.assert_array_equal(np.sort(indices_Nk, axis=1), np.tile(np.arange(5), (5, 1)))


@pytest.mark.parametrize("count", [2, 3, 9])
def test_the_lists_of_all_shares_are_those_of_one_search_bit_for_bit(count):
    z_ND = shorter_rows()
    alike = dict(own_neighbours=7, joint_neighbours=11, l2=True)
    whole = search_apart_and_joint(z_ND[:41], z_ND[41:], **alike, options=SearchOptions(13, 17))
    shares = []
    for number in range(count):
        seen = []
        lists = search_apart_and_joint(
            *(z_ND[:41], z_ND[41:]),
            **alike,
            options=SearchOptions(
                *(13, 17, Share(number, count)),
                report=lambda done, total, seen=seen: seen.append((done, total)),
            ),
        )
        shares.append(lists)
        assert seen == sorted(set(seen)) and {total for _, total in seen} <= {3600}
        if number == 0:  # who tells how far they are has a block of each set
            assert seen[-1] == (3600, 3600)
    assert max(len(lists.visible.indices_Nk) for lists in shares) < 41
    for found, expected in zip(joined(shares), whole, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_shares_of_lists_apart_are_joined_without_joint_ones():
    z_ND = people(60, 6, 0.5)
    parts = z_ND[:41], z_ND[41:]
    whole = search_apart(*parts, num_neighbours=7)
    assert joined([whole]).joint is None
    first, second = (SearchOptions(share=Share(number, 2)) for number in (0, 1))
    nothing = search_apart(
        *parts, num_neighbours=7, options=second
    )  # one block: of the first share
    assert nothing.visible.indices_Nk.shape == (0, 7)
    found = joined([search_apart(*parts, num_neighbours=7, options=first), nothing])
    np.testing.assert_array_equal(found.infrared.indices_Nk, whole.infrared.indices_Nk)


@pytest.mark.parametrize("num_rows", [1, 39, 40, 41, 400])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_shares_are_whole_blocks_that_follow_each_other(num_rows, count):
    rows = [Share(number, count).rows(num_rows, 40) for number in range(count)]
    assert rows[0][0] == 0 and rows[-1][1] == num_rows
    assert [end for _, end in rows[:-1]] == [first for first, _ in rows[1:]]
    assert all(first % 40 == 0 or first == end == num_rows for first, end in rows)
    blocks = [-(-(end - first) // 40) for first, end in rows]
    assert max(blocks) - min(blocks) <= 1
