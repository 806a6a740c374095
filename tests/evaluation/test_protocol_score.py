"""Scores: mean and spread over a protocol's trials, and features that are refused."""

import tracemalloc

import numpy as np
import pytest

from pclhd_jax.data.datasets import regdb_test, sysu_gallery, sysu_test
from pclhd_jax.data.lists import make_pictures
from pclhd_jax.data.protocol import Protocol, everything
from pclhd_jax.data.regdb import regdb_protocols
from pclhd_jax.data.sysu import sysu_protocols
from pclhd_jax.evaluation import protocol_score, ranking
from pclhd_jax.evaluation.protocol_score import score
from pclhd_jax.evaluation.ranking import evaluate_ranking
from tests.helpers.query_sets import features_of, regdb_tree, sysu_tree, unit


@pytest.fixture
def sysu(tmp_path):
    return sysu_tree(tmp_path)


@pytest.fixture
def regdb(tmp_path):
    return regdb_tree(tmp_path)


@pytest.mark.parametrize("shots", [1, 4])
def test_a_score_is_the_mean_and_spread_over_its_trials(sysu, shots):
    protocol = sysu_protocols(sysu_test(sysu), modes=("indoor",), shots=(shots,), num_trials=4)[0]
    queries, gallery = features_of(protocol)
    result = score(protocol, queries, gallery)
    singles = []
    for trial in range(4):
        paths = sysu_gallery(sysu, mode="indoor", trial=trial, shots=shots)
        rows = [protocol.gallery.paths.index(path) for path in paths]
        singles.append(
            evaluate_ranking(
                queries @ gallery[rows].T,
                protocol.query.identities_N,
                np.array([int(path.split("/")[1]) for path in paths]),
                protocol.query.cameras_N,
                np.array([int(path[3]) for path in paths]),
                protocol="sysu",
            )
        )
        assert result.gallery_size[trial] == len(paths)
    assert (result.num_queries, result.num_trials) == (len(queries), 4)
    assert result.num_valid == tuple(one.num_valid for one in singles)
    np.testing.assert_allclose(result.cmc, np.mean([one.cmc for one in singles], axis=0))
    rank1, mean_ap = [one.cmc[0] for one in singles], [one.mean_ap for one in singles]
    assert result.mean_ap == pytest.approx(np.mean(mean_ap))
    assert result.mean_inp == pytest.approx(np.mean([one.mean_inp for one in singles]))
    assert result.rank1_std == pytest.approx(np.std(rank1)) and result.rank1_std > 0
    assert result.mean_ap_std == pytest.approx(np.std(mean_ap)) and result.mean_ap_std > 0


def test_features_that_know_the_person_score_one_hundred_per_cent(sysu, regdb):
    for protocol in [
        *sysu_protocols(sysu_test(sysu)),
        *regdb_protocols(regdb_test(regdb, trial=3), trial=3),
    ]:
        people = np.eye(8, dtype=np.float32)
        result = score(
            protocol, people[protocol.query.identities_N], people[protocol.gallery.identities_N]
        )
        assert (result.cmc == 1).all() and result.mean_ap == 1 == result.mean_inp
        assert result.rank1_std == 0


def test_features_of_the_wrong_shape_or_length_are_refused(sysu):
    protocol = sysu_protocols(sysu_test(sysu), num_trials=1)[0]
    queries, gallery = features_of(protocol)
    with pytest.raises(ValueError, match=r"query features have shape.*one row per picture"):
        score(protocol, queries[:-1], gallery)
    with pytest.raises(ValueError, match="query features are 16 wide, gallery features 8"):
        score(protocol, queries, unit(1, len(gallery), 8))
    gallery[3] *= 2
    with pytest.raises(ValueError, match=r"1 of .* gallery features.*2\.000.*L2-normalise"):
        score(protocol, queries, gallery)


def test_nan_features_and_missing_trials_are_refused(sysu):
    protocol = sysu_protocols(sysu_test(sysu), num_trials=1)[0]
    queries, gallery = features_of(protocol)
    queries[2, 5] = np.nan
    with pytest.raises(ValueError, match="NaN, first in query row 2"):
        score(protocol, queries, gallery)
    with pytest.raises(ValueError, match="num_trials is 0"):
        sysu_protocols(sysu_test(sysu), num_trials=0)
    empty = Protocol("none", "sysu", protocol.query, protocol.gallery, ())
    with pytest.raises(ValueError, match="none has 0 trials"):
        score(empty, *features_of(protocol))


def large_set(rule, num_queries, num_gallery, num_people=9):
    """A protocol of many pictures, and rows of halves, whose products are exact in any order."""
    rng = np.random.default_rng(5)

    def side(size):
        numbers = zip(rng.integers(0, num_people, size), rng.integers(1, 5, size), strict=True)
        rows = [(f"{i}.jpg", *map(int, pair)) for i, pair in enumerate(numbers)]
        features = np.zeros((size, 12), np.float32)
        for row in features:
            row[rng.permutation(12)[:4]] = rng.choice([-0.5, 0.5], 4)
        return make_pictures("", rows), features

    (query, query_QD), (gallery, gallery_GD) = side(num_queries), side(num_gallery)
    return Protocol("large", rule, query, gallery, everything(gallery)), query_QD, gallery_GD


@pytest.mark.parametrize("rule", ranking.PROTOCOLS)
def test_a_score_is_the_same_to_the_last_bit_however_the_queries_are_cut(monkeypatch, rule):
    protocol, query_QD, gallery_GD = large_set(rule, 41, 30)
    whole = evaluate_ranking(
        query_QD @ gallery_GD.T,
        protocol.query.identities_N,
        protocol.gallery.identities_N,
        protocol.query.cameras_N,
        protocol.gallery.cameras_N,
        protocol=rule,
    )
    for cells in (1, 30 * 7, 30 * 41, 2**24):
        monkeypatch.setattr(protocol_score, "_BLOCK_CELLS", cells)
        result = score(protocol, query_QD, gallery_GD)
        assert result.cmc.tolist() == whole.cmc.tolist()
        assert (result.mean_ap, result.mean_inp) == (whole.mean_ap, whole.mean_inp)
        assert result.num_valid == (whole.num_valid,)


def test_the_similarities_of_a_large_set_are_never_there_at_once(monkeypatch):
    monkeypatch.setattr(protocol_score, "_BLOCK_CELLS", 2**16)
    monkeypatch.setattr(ranking, "_CHUNK_CELLS", 2**15)
    protocol, query_QD, gallery_GD = large_set("regdb", 1500, 1500)
    tracemalloc.start()
    score(protocol, query_QD, gallery_GD)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1500 * 1500 * 4 / 2  # half of the matrix


def test_nan_is_named_by_its_query_in_whichever_block_it_is(monkeypatch):
    monkeypatch.setattr(protocol_score, "_BLOCK_CELLS", 30 * 7)
    protocol, query_QD, gallery_GD = large_set("regdb", 41, 30)
    query_QD[33, 5] = np.nan
    with pytest.raises(ValueError, match="NaN, first in query row 33"):
        score(protocol, query_QD, gallery_GD)


def test_an_empty_gallery_is_refused(sysu):
    protocol = sysu_protocols(sysu_test(sysu), num_trials=1)[0]
    empty = protocol._replace(trials=(np.zeros(0, np.int32),))
    with pytest.raises(ValueError, match=r"similarity has shape \(\d+, 0\); give .* at least 1"):
        score(empty, *features_of(protocol))
