"""Prepared sets: what is one, which trial, every picture by its row, damage that is told."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data_prep.prepare import prepare
from data_prep.synthetic import generate
from pclhd_jax.data.images import load_pictures
from pclhd_jax.data.prepared import is_prepared, open_prepared
from pclhd_jax.data.source import open_raw

TINY = dict(train_ids=4, val_ids=2, test_ids=2, shots=2, height=32, width=16, workers=1)


@pytest.fixture(scope="module")
def regdb(tmp_path_factory):
    root = tmp_path_factory.mktemp("regdb")
    raw = generate(root / "raw", layout="regdb", **TINY)
    return raw, prepare("regdb", raw, root / "prepared")


@pytest.fixture
def copy(regdb, tmp_path):
    """The prepared set in another place, to be spoilt."""
    return shutil.copytree(regdb[1], tmp_path / "moved")


def test_only_a_prepared_folder_is_one(regdb, tmp_path):
    raw, prepared = regdb
    assert is_prepared(prepared) and is_prepared(str(prepared))
    (tmp_path / "metadata.json").write_text("{")
    (tmp_path / "dataset_info.json").write_text("{}")
    for other in (raw, prepared.parent, tmp_path, tmp_path / "none", prepared / "metadata.json"):
        assert not is_prepared(other)


def test_a_folder_that_is_not_prepared_is_an_error_with_the_command(regdb):
    with pytest.raises(FileNotFoundError, match=r"python -m data_prep\.prepare LAYOUT --source"):
        open_prepared(regdb[0], trial=1)


@pytest.mark.parametrize("trial", [1, 4, 10])
def test_a_trial_has_its_own_lists_and_labels(regdb, trial):
    raw, prepared = regdb
    expected = open_raw("regdb", raw, trial=trial).lists
    found = open_prepared(prepared, trial=trial).pictures
    for split, pictures in expected.items():
        assert found[split].paths == pictures.paths
        np.testing.assert_array_equal(found[split].identities_N, pictures.identities_N)
        assert found[split].identities_N.dtype == np.int32 == found[split].cameras_N.dtype


@pytest.mark.parametrize("trial", [None, 11])
def test_regdb_asks_for_a_trial_that_is_there(regdb, trial):
    with pytest.raises(ValueError, match=r"has the trials 1, 2, 3, .*, 10, asked for"):
        open_prepared(regdb[1], trial=trial)


def test_pictures_read_by_threads_are_those_read_one_by_one(regdb):
    prepared = open_prepared(regdb[1], trial=3)
    rows = [(s, i) for s, p in prepared.pictures.items() for i in range(len(p.paths))] * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: prepared.read(*row), rows))
    again = open_prepared(regdb[1], trial=3)
    assert found == [again.read(*row) for row in rows]
    assert len(set(found)) > len(rows) // 40  # the pictures differ


def test_the_loader_gets_the_same_pixels_from_records_as_from_files(regdb):
    raw = open_raw("regdb", regdb[0], trial=2)
    prepared = open_prepared(regdb[1], trial=2)
    form = dict(height=20, width=10, resample="lanczos")
    for split, pictures in raw.lists.items():
        np.testing.assert_array_equal(
            load_pictures(
                prepared.pictures[split], read=lambda i, s=split: prepared.read(s, i), **form
            ),
            load_pictures(pictures, **form),
        )


@pytest.mark.parametrize("index", [-1, 12])
def test_a_row_outside_the_list_is_an_error(regdb, index):
    prepared = open_prepared(regdb[1], trial=1)
    assert len(prepared.pictures["train_visible"].paths) == 12
    with pytest.raises(IndexError, match=f"train_visible has 12 pictures.*{index}"):
        prepared.read("train_visible", index)


def test_a_prepared_set_may_be_moved(regdb, copy):
    moved, prepared = open_prepared(copy, trial=1), open_prepared(regdb[1], trial=1)
    assert moved.pictures["test_visible"].root == str(copy)
    assert moved.read("test_visible", 0) == prepared.read("test_visible", 0)


def test_a_set_of_another_format_is_refused(copy):
    edit(copy, lambda index: index.update(format=2))
    with pytest.raises(ValueError, match="has format 2, this program reads 1"):
        open_prepared(copy, trial=1)


def test_records_that_are_fewer_than_listed_are_told(copy):
    edit(copy, lambda index: index["records"]["visible"].append("Visible/999/1.bmp"))
    with pytest.raises(ValueError, match=r"is damaged: 17 pictures of visible are listed, 16"):
        open_prepared(copy, trial=1)


def edit(folder, change):
    index = json.loads((folder / "metadata.json").read_text())
    change(index)
    (folder / "metadata.json").write_text(json.dumps(index))
