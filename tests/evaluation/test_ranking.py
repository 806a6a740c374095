"""Rankings against a loop per query, numbers worked by hand, and inputs that must be refused."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pclhd_jax.evaluation import ranking
from pclhd_jax.evaluation.ranking import evaluate_ranking

RULES = ("sysu", "regdb", "llcm")


def naive(similarity, query_ids, gallery_ids, query_cams, gallery_cams, rule):
    """One query at a time, one picture at a time, in plain Python."""
    cmcs, aps, inps = [], [], []
    for q, row in enumerate(similarity.tolist()):
        order = sorted(range(len(row)), key=lambda g: -row[g])  # sorted() is stable
        kept = []
        for g in order:
            if rule == "sysu" and query_cams[q] == 3 and gallery_cams[g] == 2:
                continue
            if rule == "llcm" and (gallery_ids[g], gallery_cams[g]) == (
                query_ids[q],
                query_cams[q],
            ):
                continue
            kept.append(int(gallery_ids[g]))
        hits = [place for place, identity in enumerate(kept, 1) if identity == query_ids[q]]
        if not hits:
            continue
        people = kept if rule == "regdb" else list(dict.fromkeys(kept))
        found = people.index(int(query_ids[q]))
        cmcs.append([1.0 if found <= rank else 0.0 for rank in range(20)])
        aps.append(sum(n / place for n, place in enumerate(hits, 1)) / len(hits))
        inps.append(len(hits) / hits[-1])
    if not cmcs:
        return None
    return np.mean(cmcs, axis=0), np.mean(aps), np.mean(inps), len(cmcs)


def assert_agrees(case, rule):
    expected = naive(*case, rule)
    if expected is None:
        with pytest.raises(ValueError, match="have a match"):
            evaluate_ranking(*case, protocol=rule)
        return
    result = evaluate_ranking(*case, protocol=rule)
    assert result.cmc.shape == (20,)
    np.testing.assert_allclose(result.cmc, expected[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(result[1:], expected[1:], rtol=0, atol=1e-12)


def random_case(seed, queries, gallery, people, cameras=6, ties=False):
    rng = np.random.default_rng(seed)
    similarity = rng.permutation(queries * gallery).reshape(queries, gallery).astype(np.float32)
    return (
        similarity % 5 if ties else similarity,
        rng.integers(0, people, queries),
        rng.integers(0, people, gallery),
        rng.integers(1, cameras + 1, queries),
        rng.integers(1, cameras + 1, gallery),
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("ties", [False, True])
def test_large_random_sets_agree_with_a_loop_over_queries(rule, ties):
    assert_agrees(random_case(7, 80, 120, 30, ties=ties), rule)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    queries=st.integers(1, 6),
    gallery=st.integers(1, 30),
    people=st.integers(1, 26),
    cameras=st.integers(1, 4),
    ties=st.booleans(),
)
def test_small_random_sets_agree_with_a_loop_over_queries(
    rule, seed, queries, gallery, people, cameras, ties
):
    assert_agrees(random_case(seed, queries, gallery, people, cameras, ties), rule)


@pytest.mark.parametrize("rule", RULES)
def test_chunks_of_queries_change_nothing(rule, monkeypatch):
    case = random_case(3, 50, 40, 12)
    whole = evaluate_ranking(*case, protocol=rule)
    monkeypatch.setattr(ranking, "_CHUNK_CELLS", 7 * 40)
    parts = evaluate_ranking(*case, protocol=rule)
    np.testing.assert_array_equal(whole.cmc, parts.cmc)
    assert whole[1:] == parts[1:]


# Ranked list of identities: 8 8 5 5 9 5, cameras 1 2 2 1 4 5; the query is identity 5.
HAND = (
    np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]]),
    np.array([5]),
    np.array([8, 8, 5, 5, 9, 5]),
)
HAND_CAMS = np.array([1, 2, 2, 1, 4, 5])


def test_ordinary_cmc_by_hand():
    result = evaluate_ranking(*HAND, np.array([3]), HAND_CAMS, protocol="regdb")
    assert result.cmc.tolist() == [0, 0] + [1] * 18
    assert result.mean_ap == pytest.approx((1 / 3 + 2 / 4 + 3 / 6) / 3)
    assert result.mean_inp == pytest.approx(3 / 6)


def test_each_identity_counts_once_in_the_sysu_cmc_by_hand():
    result = evaluate_ranking(*HAND, np.array([6]), HAND_CAMS, protocol="sysu")
    assert result.cmc.tolist() == [0] + [1] * 19  # 8 5 9
    assert result.mean_ap == pytest.approx((1 / 3 + 2 / 4 + 3 / 6) / 3)
    assert result.mean_inp == pytest.approx(3 / 6)


def test_a_query_of_camera_three_skips_camera_two_by_hand():
    result = evaluate_ranking(*HAND, np.array([3]), HAND_CAMS, protocol="sysu")
    # Left: 8 5 9 5
    assert result.cmc.tolist() == [0] + [1] * 19
    assert result.mean_ap == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert result.mean_inp == pytest.approx(2 / 4)


def test_the_querys_own_camera_is_skipped_for_its_identity_only_in_llcm_by_hand():
    result = evaluate_ranking(*HAND, np.array([2]), HAND_CAMS, protocol="llcm")
    # Left: 8 8 5 9 5; the 8 of camera 2 stays.
    assert result.cmc.tolist() == [0] + [1] * 19
    assert result.mean_ap == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert result.mean_inp == pytest.approx(2 / 5)


def test_queries_without_a_match_are_dropped_from_the_means():
    similarity = np.array([[2.0, 1.0], [1.0, 2.0], [5.0, 4.0]])
    result = evaluate_ranking(
        similarity,
        np.array([1, 77, 2]),
        np.array([1, 2]),
        np.array([6, 6, 3]),
        np.array([1, 2]),
        protocol="sysu",
    )
    # 77 is nowhere; the only picture of 2 is of camera 2, which the camera-3 query skips.
    assert result.num_valid == 1
    assert (result.cmc[0], result.mean_ap, result.mean_inp) == (1.0, 1.0, 1.0)


def test_ties_keep_the_order_of_the_gallery():
    ids = np.arange(30)
    cams = np.ones(30, int)
    result = evaluate_ranking(
        np.zeros((30, 30), np.float32), ids, ids, cams, cams, protocol="regdb"
    )
    np.testing.assert_allclose(result.cmc, np.arange(1, 21) / 30)


def test_cmc_keeps_its_last_value_when_the_gallery_is_shorter_than_twenty():
    result = evaluate_ranking(*HAND, None, None, protocol="regdb")
    assert result.cmc.shape == (20,) and (result.cmc[2:] == 1).all()


def test_half_precision_and_integer_similarities_are_accepted():
    similarity, *rest = random_case(2, 6, 9, 3)
    expected = evaluate_ranking(similarity, *rest, protocol="sysu")
    for dtype in (np.float16, np.uint8, np.int64):
        result = evaluate_ranking(similarity.astype(dtype), *rest, protocol="sysu")
        np.testing.assert_array_equal(result.cmc, expected.cmc)
        assert result[1:] == expected[1:]


def test_no_valid_query_is_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"0 of 1 queries have a match.*check"):
        evaluate_ranking(np.ones((1, 1)), [1], [2], [3], [1], protocol="sysu")


def test_nan_is_refused_with_its_row(monkeypatch):
    case = random_case(2, 6, 9, 3)
    case[0][4, 2] = np.nan
    monkeypatch.setattr(ranking, "_CHUNK_CELLS", 18)
    with pytest.raises(ValueError, match="NaN, first in query row 4"):
        evaluate_ranking(*case, protocol="llcm")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, np.ones(4), r"similarity has shape \(4,\)"),
        (0, np.ones((0, 4)), r"similarity has shape \(0, 4\)"),
        (1, np.ones(3, int), r"query identities have shape \(3,\).*\(2,\) integers"),
        (2, np.ones(4), "gallery identities .*float64"),
        (2, np.array([1, 2, -1, 2]), "1 of 4 gallery identities are unknown"),
        (3, np.ones((2, 1), int), "query cameras have shape"),
        (4, np.ones(2, int), "gallery cameras have shape"),
        (4, None, "gallery cameras have shape"),
    ],
)
def test_wrong_shapes_types_and_unknown_identities_are_refused(place, value, message):
    case = [np.ones((2, 4)), *(np.ones(n, int) for n in (2, 4, 2, 4))]
    case[place] = value
    with pytest.raises(ValueError, match=message):
        evaluate_ranking(*case, protocol="sysu")


def test_an_unknown_protocol_is_refused_with_the_names():
    with pytest.raises(ValueError, match="'market'; use one of sysu, regdb, llcm"):
        evaluate_ranking(*HAND, None, None, protocol="market")


def test_a_regdb_sized_ranking_takes_seconds_at_most():
    case = random_case(1, 2060, 2060, 206)
    start = time.perf_counter()
    evaluate_ranking(*case, protocol="regdb")
    assert time.perf_counter() - start < 10
