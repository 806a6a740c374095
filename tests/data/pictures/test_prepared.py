"""Prepared sets: what is one, which trial, every picture by its row, damage that is told."""

import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data_prep.prepare import prepare
from data_prep.synthetic import generate
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.decode import PictureForm, load_pictures
from pclhd_jax.data.pictures.prepared import is_prepared, open_prepared
from pclhd_jax.data.pictures.prepared_index import sealed
from pclhd_jax.data.pictures.source import open_raw

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
    with pytest.raises(FileNotFoundError, match=r"python -m pclhd_jax prepare LAYOUT --source"):
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
    form = PictureForm(20, 10, "lanczos")
    for split, pictures in raw.lists.items():
        np.testing.assert_array_equal(
            load_pictures(
                prepared.pictures[split], form, read=lambda i, s=split: prepared.read(s, i)
            ),
            load_pictures(pictures, form),
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


FILE = "regdb-visible.array_record-00000-of-00001"


def flip(path, place):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 255]))


def overwrite(path):
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))


DAMAGE = {
    "deleted": os.unlink,
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "zeroed": overwrite,
}


def read_all(prepared):
    """The pictures, with None for each that is an error; and the errors."""
    found, errors = [], []
    for split in ("train_visible", "test_visible"):
        for row in range(len(prepared.pictures[split].paths)):
            try:
                found.append(prepared.read(split, row))
            except ValueError as error:
                found.append(None)
                errors.append(str(error))
    return found, errors


@pytest.mark.parametrize("damage", DAMAGE)
def test_records_that_are_lost_or_damaged_are_told_on_opening(copy, damage):
    DAMAGE[damage](copy / FILE)
    with pytest.raises(
        ValueError, match=r"moved is damaged: visible .*; remove the folder, and pr"
    ):
        open_prepared(copy, trial=1)


@pytest.mark.parametrize("damage", DAMAGE)
def test_records_that_are_lost_or_damaged_after_opening_are_told_by_picture(copy, damage):
    prepared = open_prepared(copy, trial=1)
    DAMAGE[damage](copy / FILE)
    found, errors = read_all(prepared)
    assert set(found) == {None}
    assert all("of visible, Visible/" in error and "remove the folder" in error for error in errors)
    # The decoder passes the remedy on: 'copy it from the data set' would not help.
    pictures = prepared.pictures["train_visible"]
    with pytest.raises(ValueError, match=rf"^{copy} is damaged: .*remove the folder, and prepare"):
        load_pictures(
            pictures,
            PictureForm(8, 4, "bicubic"),
            read=lambda row: prepared.read("train_visible", row),
        )


def test_records_that_were_read_from_once_may_be_deleted(copy):
    prepared = open_prepared(copy, trial=1)
    before, _ = read_all(prepared)
    (copy / FILE).unlink()
    assert read_all(prepared) == (before, [])


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 0.4, 0.6, 0.8, 0.99])
def test_no_flipped_byte_gives_another_picture(copy, regdb, fraction):
    whole, _ = read_all(open_prepared(regdb[1], trial=1))
    flip(copy / FILE, int(fraction * (copy / FILE).stat().st_size))
    try:
        found, errors = read_all(open_prepared(copy, trial=1))
    except ValueError as error:
        assert "is damaged" in str(error)
        return
    assert [a for a, b in zip(found, whole, strict=True) if a not in (None, b)] == []
    assert len(errors) == found.count(None)


def test_a_flipped_byte_of_a_picture_is_an_error_that_names_it(copy):
    picture = open_prepared(copy, trial=1).read("train_visible", 3)
    data = (copy / FILE).read_bytes()
    assert data.count(picture) == 1  # pictures are stored as they are
    flip(copy / FILE, data.index(picture) + len(picture) // 2)
    prepared = open_prepared(copy, trial=1)
    path = prepared.pictures["train_visible"].paths[3]
    with pytest.raises(ValueError, match=rf"{path}, cannot be read \(.*hash mismatch"):
        prepared.read("train_visible", 3)
    assert prepared.read("train_visible", 4)


def test_records_of_another_set_are_not_taken_for_ours(copy):
    shutil.copy(copy / FILE, copy / "regdb-visible.array_record-00001-of-00002")
    with pytest.raises(ValueError, match="visible has 2 files of 1, or files of two sets"):
        open_prepared(copy, trial=1)
    (copy / "regdb-visible.array_record-00001-of-00002").unlink()
    shutil.copy(copy / FILE.replace("visible", "infrared"), copy / FILE)
    prepared = open_prepared(copy, trial=1)
    with pytest.raises(ValueError, match=r"picture \d+ of visible, Visible/.* is Thermal/.* there"):
        prepared.read("train_visible", 0)


def test_a_strangers_prepared_set_runs_no_code(copy, tmp_path, monkeypatch):
    """TFDS imports the module that features.json names; we do not look at that file."""
    (copy / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    text = (copy / "features.json").read_text()
    name = "tensorflow_datasets.core.features.text_feature.Text"
    assert name in text
    (copy / "features.json").write_text(text.replace(name, "moved.theirs.Text"))
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does with the current folder
    assert open_prepared(copy, trial=1).read("test_visible", 0)
    assert not (tmp_path / "ran").exists() and "moved.theirs" not in sys.modules
    import tensorflow_datasets as tfds

    with pytest.raises(ValueError, match="Unrecognized FeatureConnector"):  # too late:
        tfds.builder_from_directory(copy)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i["records"]["visible"].__setitem__(0, "../../../etc/a.jpg"), "lies outside"),
        (lambda i: i["records"]["visible"].__setitem__(0, "/etc/a.jpg"), "lies outside"),
        (lambda i: i["records"]["visible"].__setitem__(0, "id_rsa"), "is not a picture"),
        (lambda i: i["records"]["visible"].__setitem__(0, "a\x1b[2J.jpg"), "control characters"),
        (lambda i: i["records"]["visible"].__setitem__(0, 7), "TypeError"),
        (lambda i: i["records"].update({"../x": ["a.jpg"]}), "record '../x' is no name"),
        (lambda i: i["records"].update(visible=[]), "record visible lists nothing"),
        (lambda i: i.pop("records"), "KeyError"),
        (lambda i: i.update(records=[]), "lists nothing"),
        (lambda i: i.update(layout="a/b"), "layout is no name"),
        (lambda i: i.update(problems="none"), "problems are no list"),
        (lambda i: i.update(problems=["\x1b[2J"]), "control characters"),
        (lambda i: i.update(changed_ns="late"), "changed_ns is no number"),
        (lambda i: i["trials"]["1"].pop("train_visible"), "trial 1 has other splits"),
        (lambda i: i["trials"].update({"x": {}}), "trial 'x' is no number"),
        (lambda i: entry(i).update(record="nowhere"), "KeyError"),
        (lambda i: entry(i)["rows"].__setitem__(0, 16), "not within 0 to 15"),
        (lambda i: entry(i)["rows"].__setitem__(0, -1), "not within 0 to 15"),
        (lambda i: entry(i)["rows"].__setitem__(0, 0.5), "no list of whole numbers"),
        (lambda i: entry(i)["rows"].append(0), "13 rows and 12 identities"),
        (lambda i: entry(i)["identities"].__setitem__(0, 2**40), "not within"),
        (lambda i: entry(i)["cameras"].__setitem__(0, "1"), "no list of whole numbers"),
        (lambda i: entry(i)["cameras"].__setitem__(0, [1]), "inhomogeneous"),
        (lambda i: entry(i).update(cameras=[]), "no list of whole numbers"),
    ],
)
def test_an_index_that_says_what_ours_never_says_is_damaged(copy, change, message):
    edit(copy, change)
    with pytest.raises(ValueError, match=rf"moved is damaged: metadata\.json: .*{message}"):
        open_prepared(copy, trial=1)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000, "\xff"])
def test_a_prepared_set_without_a_readable_index_is_not_taken_for_pictures(copy, text):
    (copy / "metadata.json").write_bytes(text.encode("latin-1"))
    assert not is_prepared(copy)
    with pytest.raises(ValueError, match=r"ArrayRecord files, and no readable metadata\.json"):
        open_raw("regdb", copy)


def test_a_picture_of_a_prepared_set_is_a_name_and_never_opened_as_a_file(copy, tmp_path):
    pictures = open_prepared(copy, trial=1).pictures["train_visible"]
    assert isinstance(pictures, Pictures)
    assert not any(os.path.exists(os.path.join(pictures.root, path)) for path in pictures.paths)


def entry(index):
    return splits(index)["train_visible"]


def edit(folder, change, seal=sealed):
    """Changes an index as somebody would who knows of its checksum."""
    index = json.loads((folder / "metadata.json").read_text())
    change(index)
    (folder / "metadata.json").write_text(json.dumps(seal(index)))


def unsealed(index):
    """As it was written before there were checksums."""
    return {key: value for key, value in index.items() if key != "digest"}


@pytest.fixture(scope="module")
def sysu(tmp_path_factory):
    root = tmp_path_factory.mktemp("sysu")
    return prepare("sysu", generate(root / "raw", **TINY), root / "prepared", allow_partial=True)


CHANGES = {
    "identities": lambda i: entry(i)["identities"].__setitem__(0, entry(i)["identities"][0] ^ 1),
    "cameras": lambda i: entry(i)["cameras"].__setitem__(0, 7),
    "order": lambda i: [entry(i)[key].reverse() for key in ("rows", "identities", "cameras")],
    "fewer": lambda i: [entry(i)[key].pop() for key in ("rows", "identities", "cameras")],
    "twice": lambda i: [entry(i)[key].append(entry(i)[key][0]) for key in KEYS],
    "split": lambda i: splits(i).update(train_visible=splits(i)["test_visible"]),
    "layout": lambda i: i.update(layout="llcm"),
    "names": lambda i: next(iter(i["records"].values())).reverse(),
    "problems": lambda i: i.update(problems=["none"]),
    "left out": lambda i: i.update(left_out=["x.jpg"]),
    "date": lambda i: i.update(changed_ns=2**62),
}
KEYS = ("rows", "identities", "cameras")


def splits(index):
    return index["trials"].get("0") or index["trials"]["1"]


@pytest.mark.parametrize("layout", ["sysu", "regdb"])
@pytest.mark.parametrize("change", CHANGES)
def test_no_entry_of_the_index_can_be_another_than_was_written(
    layout, change, regdb, sysu, tmp_path
):
    folder = shutil.copytree(sysu if layout == "sysu" else regdb[1], tmp_path / "moved")
    edit(folder, CHANGES[change], dict)
    with pytest.raises(ValueError, match=r"is damaged: metadata\.json: .*has changed"):
        open_prepared(folder, trial=1)


def read_every_list(folder):
    prepared = open_prepared(folder, trial=1)
    for split, pictures in prepared.pictures.items():
        for row in range(len(pictures.paths)):
            prepared.read(split, row)


KNOWN_BY_RECORDS = {  # RegDB's records do not know the lists
    "sysu": ("identities", "cameras", "order", "fewer", "twice", "split", "names", None),
    "regdb": ("identities", "cameras", "split", "names", None),
}


@pytest.mark.parametrize(
    ("layout", "change"),
    [(layout, change) for layout, changes in KNOWN_BY_RECORDS.items() for change in changes],
)
def test_of_a_set_without_a_checksum_the_lists_are_compared_with_the_records(
    layout, change, regdb, sysu, tmp_path
):
    folder = shutil.copytree(sysu if layout == "sysu" else regdb[1], tmp_path / "moved")
    edit(folder, CHANGES.get(change, lambda index: None), unsealed)
    if change is None:
        read_every_list(folder)  # an old set that nobody changed stays readable
    else:
        with pytest.raises(ValueError, match="is damaged: "):
            read_every_list(folder)
