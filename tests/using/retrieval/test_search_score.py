"""Rank-1 and mAP of a search, against a loop; which pictures take no rank; what is left out."""

import numpy as np
import pytest

from pclhd_jax.data.lists import Pictures
from pclhd_jax.evaluation.protocol_score import similarity_blocks
from pclhd_jax.using.retrieval.search_score import (
    ORDINARY,
    SAME_CAMERA,
    SAME_PICTURE,
    Side,
    is_scored,
    num_own,
    score_search,
    score_words,
)
from tests.helpers.unit_rows import unit_rows

Q, G = 9, 30


def side(root, identities, cameras=None, modality="visible", first=0):
    identities = np.array(identities, np.int32)
    cameras = np.full(len(identities), -1) if cameras is None else np.array(cameras)
    names = tuple(f"{first + n}.png" for n in range(len(identities)))
    return Side(Pictures(root, names, identities, cameras.astype(np.int32)), modality)


def by_loop(similarity_QG, query, gallery, is_skipped):
    """(Rank-1, mAP, queries with a match), over pictures of known identity."""
    firsts, precisions = [], []
    for q, person in enumerate(query.pictures.identities_N):
        if person < 0:
            continue
        ranked = [
            int(gallery.pictures.identities_N[g] == person)
            for g in np.argsort(-similarity_QG[q], kind="stable")
            if gallery.pictures.identities_N[g] >= 0 and not is_skipped(q, g)
        ]
        if any(ranked):
            firsts.append(ranked[0])
            places = [place for place, hit in enumerate(ranked, 1) if hit]
            precisions.append(np.mean([(n + 1) / place for n, place in enumerate(places)]))
    return np.mean(firsts), np.mean(precisions), len(firsts)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    return unit_rows(rng, Q, 4), unit_rows(rng, G, 4)


def scored(query, gallery, rows):
    return score_search(query, gallery, lambda r, c: similarity_blocks(rows[0][r], rows[1][c]))


def test_the_numbers_are_those_of_a_loop_and_unknown_people_are_counted(rows):
    rng = np.random.default_rng(0)
    query = side("a", [*rng.integers(0, 5, Q - 3), -1, -1, 99])
    gallery = side("b", [*rng.integers(0, 5, G - 4), -1, -1, -1, -1], modality="infrared")
    result = scored(query, gallery, rows)
    rank1, mean_ap, valid = by_loop(rows[0] @ rows[1].T, query, gallery, lambda q, g: False)
    assert (result.rank1, result.num_valid, result.rule) == (pytest.approx(rank1), valid, ORDINARY)
    assert result.mean_ap == pytest.approx(mean_ap)
    counts = result.num_queries, result.num_gallery, result.unknown_queries, result.unknown_gallery
    assert counts == (Q - 2, G - 4, 2, 4)
    words = score_words(result)
    assert f"of {valid} queries with a match, of 7 queries, 26 gallery pictures" in words
    assert "left out, of unknown identity: 2 queries, 4 gallery pictures" in words
    assert "no camera filter" in words


def test_in_one_modality_of_one_set_the_camera_of_the_query_takes_no_rank(rows, tmp_path):
    rng = np.random.default_rng(1)
    query = side(str(tmp_path), rng.integers(0, 4, Q), rng.integers(1, 3, Q))
    gallery = side(f"{tmp_path}/x/..", rng.integers(0, 4, G), rng.integers(1, 3, G), first=Q)
    result = scored(query, gallery, rows)
    expected = by_loop(
        rows[0] @ rows[1].T,
        query,
        gallery,
        lambda q, g: (
            query.pictures.identities_N[q] == gallery.pictures.identities_N[g]
            and query.pictures.cameras_N[q] == gallery.pictures.cameras_N[g]
        ),
    )
    assert result.rule == SAME_CAMERA
    assert (result.rank1, result.mean_ap, result.num_valid) == pytest.approx(expected)
    infrared = gallery._replace(modality="infrared")
    assert scored(query, infrared, rows).rule == ORDINARY
    elsewhere = gallery._replace(pictures=gallery.pictures._replace(root="other"))
    assert scored(query, elsewhere, rows).rule == ORDINARY  # its numbers are of other cameras


def test_a_picture_that_lies_on_both_sides_does_not_count_as_found(rows):
    rng = np.random.default_rng(2)
    query = side("a", rng.integers(0, 4, Q))
    gallery = side("./a", rng.integers(0, 4, G))
    gallery.pictures.identities_N[:Q] = query.pictures.identities_N
    result = scored(query, gallery, rows)
    expected = by_loop(rows[0] @ rows[1].T, query, gallery, lambda q, g: q == g)
    assert result.rule == SAME_PICTURE
    assert (result.rank1, result.mean_ap, result.num_valid) == pytest.approx(expected)
    assert num_own(query.pictures, gallery.pictures) == Q


def test_without_identities_there_is_no_score_and_without_a_match_it_says_so(rows):
    unknown = side("a", [-1] * Q)
    assert scored(unknown, side("b", range(G)), rows) is None
    assert scored(side("a", range(Q)), side("b", [-1] * G), rows) is None
    result = scored(side("a", [50] * Q), side("b", range(G)), rows)
    assert result.num_valid == 0 and np.isnan(result.rank1)
    assert score_words(result).startswith("no Rank-1 and mAP: no query's person is in the gallery")
    alone = scored(side("a", range(Q)), side("a", range(Q)), (rows[0], rows[0]))
    assert alone.num_valid == 0  # every picture's person is in that picture alone


def test_very_many_pairs_are_scored_where_that_is_asked_for(capsys, monkeypatch):
    monkeypatch.setattr("pclhd_jax.using.retrieval.search_score.MOST_PAIRS", 100)
    few, many = side("a", range(10)), side("b", range(11))
    assert is_scored(few, few, None) and not is_scored(few, few, False)
    assert not is_scored(few, many, None)
    assert (
        "110 pairs of pictures of known identity take long (more than 100); --score"
        in capsys.readouterr().out
    )
    assert is_scored(few, many, True)
