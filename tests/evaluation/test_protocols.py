"""Protocols: which pictures stand against which, scores over trials, and the printed table."""

import os
import random

import numpy as np
import pytest

from pclhd_jax.data.datasets import (
    folders_test,
    llcm_test,
    regdb_test,
    sysu_gallery,
    sysu_test,
)
from pclhd_jax.data.folders import folders_protocols
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.llcm import llcm_protocols
from pclhd_jax.data.protocol import Protocol
from pclhd_jax.data.regdb import regdb_protocols
from pclhd_jax.data.sysu import sysu_protocols
from pclhd_jax.evaluation.protocol_score import Score, score
from pclhd_jax.evaluation.ranking import evaluate_ranking
from pclhd_jax.evaluation.score_table import format_table


def fill(root, folder, count):
    (root / folder).mkdir(parents=True)
    for number in range(count):
        (root / folder / f"{number:04d}.jpg").touch()


@pytest.fixture
def sysu(tmp_path):
    for identity in range(1, 8):
        for camera in (1, 2, 3, 4, 5, 6):
            if (identity + camera) % 4:  # Cameras that never saw this person
                fill(tmp_path, f"cam{camera}/{identity:04d}", 3 + (identity * camera) % 10)
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp/test_id.txt").write_text("5,1,2,7,3,6,4")
    return tmp_path


@pytest.fixture
def regdb(tmp_path):
    for modality in ("Visible", "Thermal"):
        lines = []
        for identity in range(4):
            fill(tmp_path, f"{modality}/{identity}", 5)
            lines += [f"{modality}/{identity}/{n:04d}.jpg {identity}\n" for n in range(5)]
        (tmp_path / "idx").mkdir(exist_ok=True)
        (tmp_path / f"idx/test_{modality.lower()}_3.txt").write_text("".join(lines))
    return tmp_path


def unit(seed, count, width=16):
    features = np.random.default_rng(seed).normal(size=(count, width))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def features_of(protocol):
    return unit(0, len(protocol.query.paths)), unit(1, len(protocol.gallery.paths))


def test_sysu_trials_are_the_published_galleries_in_both_modes(sysu):
    protocols = sysu_protocols(sysu_test(sysu), shots=(1, 10))
    assert [protocol.name for protocol in protocols] == [
        "sysu all-search single-shot",
        "sysu all-search multi-shot (10)",
        "sysu indoor-search single-shot",
        "sysu indoor-search multi-shot (10)",
    ]
    settings = [("all", 1), ("all", 10), ("indoor", 1), ("indoor", 10)]
    for protocol, (mode, shots) in zip(protocols, settings, strict=True):
        assert (protocol.rule, protocol.query_modality) == ("sysu", "infrared")
        assert len(protocol.trials) == 10
        for trial, rows in enumerate(protocol.trials):
            expected = sysu_gallery(sysu, mode=mode, trial=trial, shots=shots)
            assert list(protocol.gallery.take(rows).paths) == expected
        cameras = set(protocol.gallery.cameras_N[np.concatenate(protocol.trials)])
        assert cameras == ({1, 2, 4, 5} if mode == "all" else {1, 2})
        assert set(protocol.query.cameras_N) == {3, 6}
        # One set of features serves all of them.
        assert protocol.query is protocols[0].query and protocol.gallery is protocols[0].gallery


def test_regdb_is_scored_in_both_directions_with_all_pictures(regdb):
    forth, back = regdb_protocols(regdb_test(regdb, trial=3), trial=3)
    assert forth.query.paths[0].startswith("Visible/") and forth.query_modality == "visible"
    assert back.query.paths[0].startswith("Thermal/") and back.query_modality == "infrared"
    assert forth.gallery is back.query and back.gallery is forth.query
    assert forth.name == "regdb split 3 visible to thermal"
    for protocol in (forth, back):
        assert protocol.rule == "regdb"
        assert [trial.tolist() for trial in protocol.trials] == [list(range(20))]


@pytest.fixture
def llcm(tmp_path):
    for modality, cameras in (("vis", range(1, 10)), ("nir", (1, 2, 4, 5, 6, 7, 8, 9))):
        for person in (3, 11, 20, 21):
            for camera in cameras:
                if (person * camera) % 3 != 1:  # Not every camera saw everyone
                    folder = f"test_{modality}/cam{camera}/{person:04d}"
                    fill(tmp_path, folder, 2 + (person + camera) % 5)
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx/test_id.txt").write_text("20,3,21,11")
    return tmp_path


def naive_llcm_gallery(root, modality, trial):
    """The sampling of published LLCM scores, told with the global random module."""
    random.seed(trial)
    chosen = []
    for person in ("0003", "0011", "0020", "0021"):
        for camera in range(1, 10):
            folder = f"test_{modality}/cam{camera}/{person}"
            if os.path.isdir(root / folder):
                chosen.append(f"{folder}/{random.choice(sorted(os.listdir(root / folder)))}")
    return chosen


def test_llcm_is_scored_both_ways_on_the_galleries_of_published_scores(llcm):
    protocols = llcm_protocols(llcm_test(llcm))
    assert [(p.name, p.query_modality) for p in protocols] == [
        ("llcm infrared to visible", "infrared"),
        ("llcm visible to infrared", "visible"),
    ]
    for protocol, query, gallery in zip(protocols, ("nir", "vis"), ("vis", "nir"), strict=True):
        assert protocol.rule == "llcm"
        assert len(protocol.query.paths) == len(list(llcm.glob(f"test_{query}/*/*/*.jpg")))
        drawn = [list(protocol.gallery.take(rows).paths) for rows in protocol.trials]
        assert drawn == [naive_llcm_gallery(llcm, gallery, trial) for trial in range(10)]
        assert len({tuple(paths) for paths in drawn}) > 1
    with pytest.raises(ValueError, match="num_trials is 0"):
        llcm_protocols(llcm_test(llcm), num_trials=0)


def test_own_pictures_are_scored_both_ways_against_everything_whatever_the_camera(tmp_path):
    rows = []
    for modality in ("visible", "infrared"):
        fill(tmp_path, modality, 5)
        rows += [f"{modality}/{n:04d}.jpg,{n % 2},3\n" for n in range(4)]
    (tmp_path / "identities.csv").write_text("path,identity,camera\n" + "".join(rows))
    forth, back = folders_protocols(folders_test(tmp_path))
    assert (forth.name, back.name) == ("folders visible to infrared", "folders infrared to visible")
    assert (forth.query_modality, back.query_modality) == ("visible", "infrared")
    assert forth.gallery is back.query and back.gallery is forth.query
    for protocol in (forth, back):
        assert [trial.tolist() for trial in protocol.trials] == [[0, 1, 2, 3]]
        # One camera number everywhere: a rule about cameras would drop pictures here.
        queries, gallery = features_of(protocol)
        result = score(protocol, queries, gallery)
        assert result.num_valid == (4,)
        expected = evaluate_ranking(
            queries @ gallery.T,
            protocol.query.identities_N,
            protocol.gallery.identities_N,
            None,
            None,
            protocol="regdb",
        )
        assert result.mean_ap == pytest.approx(expected.mean_ap)


def test_protocols_need_lists_alone_and_no_files():
    N = np.arange(6, dtype=np.int32)
    pictures = Pictures(
        "nowhere", tuple(f"{n}.jpg" for n in N), N // 3, np.ones(6, np.int32) + N % 2
    )
    for protocol in (*sysu_protocols((pictures, pictures)), *llcm_protocols((pictures, pictures))):
        assert all(len(trial) == 4 for trial in protocol.trials)  # people x cameras


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


def test_the_table_shows_counts_trials_and_percentages():
    cmc = np.linspace(0.5, 0.975, 20)
    scores = [
        Score("sysu all-search single-shot", 3803, (3803,) * 10, (301,) * 10, 10, cmc,
              0.58714, 0.4512, 0.01234, 0.00987),
        Score("other", 70, (60, 66), (9, 1100), 2, cmc, 0.25, 0.125, 0.0, 0.0),
        Score("regdb", 2060, (2060,), (2060,), 1, cmc, 1.0, 1.0, 0.0, 0.0),
    ]  # fmt: skip
    title, header, _, first, second, third = format_table(scores, "last epoch").splitlines()
    assert title == "last epoch"
    assert " ".join(header.split()) == (
        "Protocol Queries Gallery Trials Rank-1 Rank-5 Rank-10 Rank-20 mAP mINP"
    )
    assert first.split("  ")[0] == "sysu all-search single-shot"
    assert " ".join(first.split()[3:]) == (
        "3,803 of 3,803 301 10 50.00 +- 1.23 60.00 72.50 97.50 58.71 +- 0.99 45.12"
    )
    assert "60-66 of 70" in second and "9-1,100" in second
    assert "+-" not in third and third.split()[-2:] == ["100.00", "100.00"]
    assert len({len(line) for line in (header, first, second, third)}) == 1


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
