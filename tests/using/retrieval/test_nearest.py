"""The nearest rows of a gallery, against a full sort."""

import numpy as np
import pytest

from pclhd_jax.using.retrieval.nearest import nearest
from tests.helpers.unit_rows import unit_rows


def sides(num_queries=9, num_gallery=31):
    rng = np.random.default_rng(4)
    return unit_rows(rng, num_queries, 6), unit_rows(rng, num_gallery, 6)


@pytest.mark.parametrize(("block_rows", "tile_rows"), [(4, 5), (9, 10), (1000, 1000), (2, 3)])
@pytest.mark.parametrize("k", [1, 7, 31, 50])
def test_the_nearest_are_those_of_a_full_sort_whatever_the_sizes(block_rows, tile_rows, k):
    query_QD, gallery_GD = sides()
    found = nearest(query_QD, gallery_GD, k, block_rows=block_rows, tile_rows=tile_rows)
    exact_QG = query_QD.astype(np.float64) @ gallery_GD.T.astype(np.float64)
    order_QG = np.argsort(-exact_QG, axis=1)[:, :k]
    np.testing.assert_array_equal(found.indices_Nk, order_QG)
    np.testing.assert_allclose(
        found.similarities_Nk, np.take_along_axis(exact_QG, order_QG, axis=1), atol=1e-6
    )
    assert (found.indices_Nk.dtype, found.similarities_Nk.dtype) == (np.int32, np.float32)


@pytest.mark.parametrize("tile_rows", [2, 6, 100])
def test_equally_near_rows_are_ordered_by_number(tile_rows):
    query_QD, gallery_GD = sides(3, 5)
    gallery_GD = np.tile(gallery_GD, (5, 1))
    found = nearest(query_QD, gallery_GD, 10, tile_rows=tile_rows)
    best_Q = (query_QD @ gallery_GD[:5].T).argmax(axis=1)
    np.testing.assert_array_equal(found.indices_Nk[:, :5], best_Q[:, None] + 5 * np.arange(5))


class Watched(np.ndarray):
    """A gallery that notes how many rows were taken at once."""

    taken: list

    def __getitem__(self, key):
        rows = super().__getitem__(key)
        self.taken.append(len(rows))
        return rows.view(np.ndarray)


def test_a_gallery_is_read_a_tile_at_a_time_and_its_parts_are_reported():
    query_QD, gallery_GD = sides()
    watched = gallery_GD.view(Watched)
    watched.taken = []
    reports = []
    nearest(
        query_QD, watched, 3, block_rows=5, tile_rows=8, report=lambda *pair: reports.append(pair)
    )
    assert watched.taken == [8, 8, 8, 7]
    assert reports[0] == (5 * 8, 9 * 31) and reports[-1] == (9 * 31, 9 * 31)
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})


def test_no_query_an_empty_gallery_another_width_and_k_below_one_are_refused():
    query_QD, gallery_GD = sides()
    with pytest.raises(ValueError, match=r"gallery features have shape \(0, 6\); .* at least one"):
        nearest(query_QD, gallery_GD[:0], 3)
    with pytest.raises(ValueError, match=r"query features have shape \(0, 6\)"):
        nearest(query_QD[:0], gallery_GD, 3)
    with pytest.raises(ValueError, match="query features are 6 wide, gallery features 5"):
        nearest(query_QD, gallery_GD[:, :5], 3)
    with pytest.raises(ValueError, match="k is 0"):
        nearest(query_QD, gallery_GD, 0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_rows_that_are_not_finite_have_no_place_in_an_order(wrong):
    good, bad = np.ones((3, 2), np.float32), np.ones((3, 2), np.float32)
    bad[1, 0] = wrong
    with pytest.raises(ValueError, match=r"1 of 3 gallery features are not finite, .*row 1"):
        nearest(good, bad, 2)
    with pytest.raises(ValueError, match="1 of 3 query features are not finite"):
        nearest(bad, good, 2)
