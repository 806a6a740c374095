"""The four layouts from files to scores: drawn, prepared, cached, trained on, evaluated."""

import shutil

import numpy as np
import pytest

from data_prep import synthetic
from pclhd_jax.data.datasets import LAYOUTS
from pclhd_jax.data.pictures.decode import PictureForm, load_pictures
from pclhd_jax.data.pictures.source import open_raw
from pclhd_jax.training import train
from pclhd_jax.training.clusters import quality_row
from pclhd_jax.training.run_pictures import load_all_pictures, open_source
from tests.helpers.tiny import tiny_config

TRAIN_IDS, VAL_IDS, TEST_IDS, SHOTS = 9, 3, 4, 4
SPLITS = ["train_visible", "train_infrared", "test_visible", "test_infrared"]
# Pictures by split: cameras of a modality x shots x people.
COUNTS = {
    "sysu": (4, 2),
    "regdb": (1, 1),
    "llcm": (3, 3),
    "folders": (4, 2),
}
NAMES = {
    "sysu": ["sysu all-search single-shot", "sysu indoor-search single-shot"],
    "regdb": ["regdb split 2 visible to thermal", "regdb split 2 thermal to visible"],
    "llcm": ["llcm infrared to visible", "llcm visible to infrared"],
    "folders": ["folders visible to infrared", "folders infrared to visible"],
}


def config_of(root, layout):
    c = tiny_config(root)
    c.data.layout = layout
    c.trial = 2
    c.stage1.epochs, c.stage2.epochs = 1, 0  # stage 2 sees no layout, but for unknown identities
    return c


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """The drawn set of each layout."""
    root = tmp_path_factory.mktemp("layouts")
    for layout in LAYOUTS:
        synthetic.generate(
            root / layout,
            layout=layout,
            train_ids=TRAIN_IDS,
            val_ids=VAL_IDS,
            test_ids=TEST_IDS,
            shots=SHOTS,
            workers=1,
        )
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_drawn_set_is_read_with_its_people_apart(sets, layout):
    lists = open_raw(layout, sets / layout, trial=2).lists
    visible, infrared = COUNTS[layout]
    assert {split: len(pictures.paths) for split, pictures in lists.items()} == {
        "train_visible": (TRAIN_IDS + VAL_IDS) * visible * SHOTS,
        "train_infrared": (TRAIN_IDS + VAL_IDS) * infrared * SHOTS,
        "test_visible": TEST_IDS * visible * SHOTS,
        "test_infrared": TEST_IDS * infrared * SHOTS,
    }
    paths = [set(pictures.paths) for pictures in lists.values()]
    assert len(set.union(*paths)) == sum(map(len, paths))
    for split in ("test_visible", "test_infrared"):
        people, shots = np.unique(lists[split].identities_N, return_counts=True)
        assert len(people) == TEST_IDS and set(shots) == {len(lists[split].paths) // TEST_IDS}


def test_the_ten_splits_of_regdb_are_other_halves_of_the_same_people(sets):
    halves = set()
    for trial in range(1, 11):
        lists = open_raw("regdb", sets / "regdb", trial=trial).lists
        people = {
            split: {path.split("/")[1] for path in pictures.paths}
            for split, pictures in lists.items()
        }
        assert people["train_visible"] == people["train_infrared"]
        assert people["test_visible"] == people["test_infrared"]
        assert not people["train_visible"] & people["test_visible"]
        assert len(people["train_visible"] | people["test_visible"]) == 16
        halves.add(frozenset(people["test_visible"]))
    assert len(halves) > 5


def test_one_camera_number_of_llcm_draws_other_poses_in_each_modality(sets):
    lists = open_raw("llcm", sets / "llcm").lists
    drawn = {}
    for split in ("test_visible", "test_infrared"):
        pictures = lists[split]
        drawn[split] = set(zip(pictures.cameras_N, pictures.identities_N, strict=True))
    assert drawn["test_visible"] & drawn["test_infrared"], "no camera is shared: nothing to skip"
    plan = synthetic.PLANS["llcm"](synthetic.Size(TRAIN_IDS, VAL_IDS, TEST_IDS, SHOTS), 0)
    keys = [(f.identity, f.camera, f.shot) for files in plan.people for f in files]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_prepared_and_raw_sets_give_the_same_lists_pixels_and_protocols(sets, layout, prepared):
    config = config_of(sets / layout, layout)
    if not prepared:
        config.data.prepared = config.data.cache = ""
    raw = open_raw(layout, sets / layout, trial=2).lists
    lists = open_source(config).lists
    assert list(lists) == SPLITS
    for split in SPLITS:
        assert lists[split].paths == raw[split].paths
        np.testing.assert_array_equal(lists[split].identities_N, raw[split].identities_N)
        np.testing.assert_array_equal(lists[split].cameras_N, raw[split].cameras_N)
    loaded = load_all_pictures(config)
    pixels = {
        "train_visible": loaded.train.visible_NHWC,
        "train_infrared": loaded.train.infrared_NHWC,
        "test_visible": loaded.test_NHWC["visible"],
        "test_infrared": loaded.test_NHWC["infrared"],
    }
    for split, images_NHWC in pixels.items():
        resample = "bicubic" if split.startswith("train") else "lanczos"
        expected = load_pictures(raw[split], PictureForm(32, 16, resample))
        np.testing.assert_array_equal(images_NHWC, expected)
    assert [protocol.name for protocol in loaded.protocols] == NAMES[layout]


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_run_that_has_started_needs_no_file_of_its_pictures_any_more(sets, tmp_path, on_disk):
    config = config_of(tmp_path / "own", "folders")
    shutil.copytree(sets / "folders", config.data.source)
    if not on_disk:
        config.data.prepared = config.data.cache = ""
    loaded = load_all_pictures(config)
    before = loaded.train.visible_NHWC.copy(), loaded.test_NHWC["infrared"].copy()
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder)
    np.testing.assert_array_equal(loaded.train.visible_NHWC, before[0])
    np.testing.assert_array_equal(loaded.test_NHWC["infrared"], before[1])


# The run on SYSU-MM01's layout is in test_train.py.
@pytest.mark.parametrize("layout", ["regdb", "llcm", "folders"])
def test_a_run_from_files_scores_every_protocol_of_its_layout(sets, tmp_path, layout):
    last = train.train_and_evaluate(config_of(sets / layout, layout), tmp_path / "run")
    assert last["epochs_done"] == 1
    assert list(last["evaluation"]) == NAMES[layout]
    for score in last["evaluation"].values():
        assert 0 < score["mean_ap"] <= 1 and min(score["num_valid"]) > 0
    known = "adjusted_rand_index" in last["clusters"]["visible"]
    assert known == (layout != "folders")


def test_two_folders_without_a_csv_train_with_no_label_and_say_that_nothing_is_scored(
    sets, tmp_path, capsys
):
    root = tmp_path / "own"
    root.mkdir()
    for modality in ("visible", "infrared"):
        (root / modality).symlink_to(sets / "folders" / modality)
    config = config_of(root, "folders")
    config.stage2.epochs = 1
    last = train.train_and_evaluate(config, tmp_path / "run")
    assert (last["epochs_done"], last["stage"]) == (2, 2) and last["evaluation"] == {}
    assert set(last["clusters"]) >= {"visible", "infrared"}
    counted = {"num_clusters", "num_outliers", "num_below_shots"}
    for part, counts in last["clusters"].items():
        assert set(counts) == (counted | {"num_mixed"} if part == "joint" else counted)
        assert counts["num_clusters"] >= 2
    output = capsys.readouterr().out
    assert "nothing was scored" in output and "identities.csv" in output
    assert "ARI" not in output and "scoring the untrained" not in output


def test_unknown_identities_leave_the_counts_of_clusters_alone():
    labels_N = np.array([0, 0, 1, 1, -1])
    small_K = np.array([True, False])
    row = quality_row(labels_N, np.full(5, -1), small_K)
    assert row == {"num_clusters": 2, "num_outliers": 1, "num_below_shots": 1}
    assert set(quality_row(labels_N, np.array([3, 3, 4, 4, 4]), small_K)) > set(row)


def test_a_layout_that_does_not_exist_or_is_not_the_prepared_one_is_refused(sets):
    config = config_of(sets / "llcm", "market")
    with pytest.raises(ValueError, match="'market'; it must be sysu or regdb or llcm or folders"):
        load_all_pictures(config)
    config = config_of(sets / "folders", "folders")
    config.data.source = open_source(config).lists["train_visible"].root
    config.data.layout = "llcm"
    with pytest.raises(ValueError, match="prepared set of layout folders, not llcm"):
        load_all_pictures(config)
    config.data.layout, config.data.camera_pattern = "folders", r"cam(\d)/"
    with pytest.raises(ValueError, match="its cameras are settled"):
        load_all_pictures(config)
