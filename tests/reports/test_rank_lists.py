"""Rank lists against a sort in plain Python, and against the evaluation's own mean."""

import numpy as np
import pytest

from pclhd_jax.data.lists import make_pictures
from pclhd_jax.data.protocol import Protocol
from pclhd_jax.evaluation.ranking import evaluate_ranking
from pclhd_jax.reports.rank_lists import (
    average_precisions,
    entries,
    rank_query,
    worst_and_best,
)
from tests.helpers.unit_rows import unit_rows


def listed(identities, cameras):
    rows = zip(map(str, range(len(identities))), identities, cameras, strict=True)
    return make_pictures("root", list(rows))


@pytest.fixture(scope="module")
def case():
    """24 queries of cameras 3 and 6, a gallery of 40 of cameras 1, 2, 4, 5, a trial of 30."""
    rng = np.random.default_rng(3)
    query = listed(rng.integers(0, 8, 24).tolist(), rng.choice([3, 6], 24).tolist())
    gallery = listed(rng.integers(0, 8, 40).tolist(), rng.choice([1, 2, 4, 5], 40).tolist())
    trials = (rng.permutation(40)[:30].astype(np.int32),)
    z = unit_rows(rng, 24, 5), unit_rows(rng, 40, 5)
    return Protocol("toy", "sysu", query, gallery, trials), *z


def test_a_list_is_the_gallery_in_the_order_of_a_plain_sort(case):
    protocol, query_QD, gallery_GD = case
    for query in range(24):
        found = rank_query(protocol, query_QD, gallery_GD, query)
        rows = protocol.trials[0].tolist()
        naive = sorted(rows, key=lambda row: -float(gallery_GD[row] @ query_QD[query]))
        assert found.gallery_n.tolist() == naive
        person, camera = protocol.query.identities_N[query], protocol.query.cameras_N[query]
        for place, row in enumerate(naive):
            skip = camera == 3 and protocol.gallery.cameras_N[row] == 2
            assert found.is_skipped_n[place] == skip
            same = protocol.gallery.identities_N[row] == person
            assert found.is_right_n[place] == (same and not skip)


def test_the_mean_of_the_lists_average_precisions_is_the_evaluations(case):
    protocol, query_QD, gallery_GD = case
    rows = protocol.trials[0]
    metrics = evaluate_ranking(
        query_QD @ gallery_GD[rows].T,
        protocol.query.identities_N,
        protocol.gallery.identities_N[rows],
        protocol.query.cameras_N,
        protocol.gallery.cameras_N[rows],
        protocol="sysu",
    )
    ap_Q = average_precisions(protocol, query_QD, gallery_GD)
    assert np.count_nonzero(~np.isnan(ap_Q)) == metrics.num_valid
    np.testing.assert_allclose(np.nanmean(ap_Q), metrics.mean_ap, rtol=1e-6)


def by_hand(cameras, identities=(7, 8, 7, 9, 7)):
    """Query: person 7, camera 3; the gallery lies in the order of its similarity."""
    gallery = listed(identities, cameras)
    protocol = Protocol("toy", "sysu", listed([7], [3]), gallery, (np.arange(5, dtype=np.int32),))
    angle_G = np.linspace(0.1, 1.0, 5)
    gallery_GD = np.stack([np.cos(angle_G), np.sin(angle_G)], axis=1)
    return rank_query(protocol, np.array([[1.0, 0.0]]), gallery_GD, 0)


def test_a_skipped_picture_stands_in_its_place_and_takes_no_rank():
    ranked = by_hand([2, 1, 1, 2, 1])
    shown, num_hidden = entries(ranked, ranks=3)
    assert [(e.gallery, e.rank, e.is_right) for e in shown] == [
        (0, 0, False),  # the same person, but of the camera that does not count
        (1, 1, False),
        (2, 2, True),
        (3, 0, False),
        (4, 3, True),
    ]
    assert num_hidden == 0
    np.testing.assert_allclose(ranked.average_precision, (1 / 2 + 2 / 3) / 2)


def test_skipped_pictures_beyond_the_limit_are_counted_not_shown():
    shown, num_hidden = entries(by_hand([2, 2, 2, 1, 1]), ranks=1, most_skipped=2)
    assert [(e.gallery, e.rank) for e in shown] == [(0, 0), (1, 0), (3, 1)]
    assert num_hidden == 1


def test_a_query_without_a_match_has_no_average_precision():
    assert np.isnan(by_hand([1, 1, 1, 1, 1], identities=(1, 2, 3, 4, 5)).average_precision)


def test_the_worst_come_lowest_first_the_best_highest_first_one_of_a_person():
    ap_Q = np.array([0.5, 0.1, np.nan, 0.9, 0.1, 1.0, 0.3, 1.0])
    people_Q = np.array([1, 2, 9, 3, 2, 4, 5, 4])
    worst, best = worst_and_best(ap_Q, people_Q, 2)
    assert worst.tolist() == [1, 6]  # query 4 is of query 1's person
    assert best.tolist() == [5, 3]  # query 7 of query 5's


def test_of_few_queries_none_is_among_the_worst_and_the_best():
    worst, best = worst_and_best(np.array([0.2, 0.4, 0.6]), np.arange(3), 8)
    assert worst.tolist() == [0, 1] and best.tolist() == [2]
