"""Protocols: which pictures of each data set stand against which, trial by trial."""

import os
import random

import numpy as np
import pytest

from pclhd_jax.data.datasets import folders_test, llcm_test, regdb_test, sysu_gallery, sysu_test
from pclhd_jax.data.folders import folders_protocols
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.llcm import llcm_protocols
from pclhd_jax.data.regdb import regdb_protocols
from pclhd_jax.data.sysu import sysu_protocols
from pclhd_jax.evaluation.protocol_score import score
from pclhd_jax.evaluation.ranking import evaluate_ranking
from tests.helpers.query_sets import features_of, fill, regdb_tree, sysu_tree


@pytest.fixture
def sysu(tmp_path):
    return sysu_tree(tmp_path)


@pytest.fixture
def regdb(tmp_path):
    return regdb_tree(tmp_path)


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
