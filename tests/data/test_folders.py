"""One's own pictures: two folders, no label, and a CSV that is read with care."""

import os

import numpy as np
import pytest

from pclhd_jax.data import camera_pattern
from pclhd_jax.data.datasets import folders_test, folders_train

FILES = (
    "visible/b.JPG",
    "visible/door 1/a.png",
    "visible/door 1/z.bmp",
    "visible/door 2/deep/er/c.jpeg",
    "infrared/door 1/a.jpg",
    "infrared/door 3/b.jpg",
    "infrared/door 3/c.jpg",
)


@pytest.fixture
def root(tmp_path):
    junk = ("visible/notes.txt", "visible/._b.jpg", "infrared/.trash/x.jpg", "other/y.jpg")
    for path in (*FILES, *junk):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def write_csv(root, *rows, header="path,identity,camera"):
    (root / "identities.csv").write_text("\n".join([header, *rows]) + "\n")


def test_every_picture_at_any_depth_trains_without_a_label(root):
    train = folders_train(root)
    assert train.visible.paths == FILES[:4]
    assert train.infrared.paths == FILES[4:]
    for pictures in train:
        assert set(pictures.identities_N) == {-1} == set(pictures.cameras_N)
        assert pictures.identities_N.dtype == np.int32 == pictures.cameras_N.dtype
    assert folders_test(root) is None


def test_the_camera_pattern_numbers_its_group_over_both_modalities(root):
    (root / "visible/b.JPG").unlink()
    train = folders_train(root, camera_pattern=r"/(door \d)/")
    assert train.visible.cameras_N.tolist() == [0, 0, 1]
    assert train.infrared.cameras_N.tolist() == [0, 2, 2]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"/(door \d)/", r"no camera in 1 of 7 paths, the first is visible/b\.JPG"),
        (r"door \d", "has 0 groups; it must have one"),
        (r"(door (\d))", "has 2 groups"),
        (r"(door", "not a regular expression"),
        (r"(x*)", "no camera in 7 of 7 paths"),
    ],
)
def test_a_camera_pattern_that_does_not_fit_is_refused(root, pattern, message):
    with pytest.raises(ValueError, match=message):
        folders_train(root, camera_pattern=pattern)


def test_pictures_of_the_csv_are_evaluated_and_not_trained_on(root):
    write_csv(
        root,
        "infrared/door 3/c.jpg,7,3",
        "./visible//door 1/z.bmp,7,",
        "visible/b.JPG, 12 ,0",
        "",
    )
    visible, infrared = folders_test(root)
    assert visible.paths == ("visible/b.JPG", "visible/door 1/z.bmp")
    assert visible.identities_N.tolist() == [12, 7] and visible.cameras_N.tolist() == [0, -1]
    assert infrared.paths == ("infrared/door 3/c.jpg",)
    assert infrared.identities_N.tolist() == [7] and infrared.cameras_N.tolist() == [3]
    train = folders_train(root)
    assert train.visible.paths == ("visible/door 1/a.png", "visible/door 2/deep/er/c.jpeg")
    assert train.infrared.paths == ("infrared/door 1/a.jpg", "infrared/door 3/b.jpg")


def test_the_camera_column_may_be_missing_and_paths_may_hold_commas(root):
    (root / "visible/a, b.jpg").touch()
    rows = ('"visible/a, b.jpg",1', "infrared/door 1/a.jpg,1")
    write_csv(root, *rows, header="\ufeffpath,identity")
    visible, _ = folders_test(root)
    assert visible.paths == ("visible/a, b.jpg",) and visible.cameras_N.tolist() == [-1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("visible/none.jpg,1,", r"line 3: no picture 'visible/none\.jpg' under"),
        ("other/y.jpg,1,", "line 3: no picture 'other/y.jpg'"),
        ("visible/b.JPG,1,", r"line 3: 'visible/b\.JPG' is listed twice"),
        ("visible/../visible/b.JPG,1,", "line 3: .*lies outside"),
        ("/etc/x.jpg,1,", "line 3: .*lies outside"),
        ("C:/x.jpg,1,", "line 3: .*lies outside"),
        ("visible/\x1b[2J.jpg,1,", "line 3: .*control characters"),
        ("visible/notes.txt,1,", "line 3: .*is not a picture"),
        ("infrared/door 1/a.jpg,-1,", "line 3: identity '-1' is not a whole number"),
        ("infrared/door 1/a.jpg,anna,", "line 3: identity 'anna'"),
        ("infrared/door 1/a.jpg,,", "line 3: identity ''"),
        ("infrared/door 1/a.jpg,1,x", "line 3: camera 'x'"),
        ("infrared/door 1/a.jpg,1", "line 3 has 2 fields, the header has 3"),
        ("infrared/door 1/a.jpg,2,", "1 visible and 1 infrared.*no identity in both"),
    ],
)
def test_a_row_that_means_nothing_is_refused_with_its_line(root, row, message):
    write_csv(root, "visible/b.JPG,1,", row)
    with pytest.raises(ValueError, match=message):
        folders_test(root)


def test_a_csv_without_header_or_rows_is_refused(root):
    write_csv(root, "visible/b.JPG,1,", header="visible/b.JPG,1,")
    with pytest.raises(ValueError, match="line 1: the header is"):
        folders_test(root)
    write_csv(root)
    with pytest.raises(ValueError, match="has no row"):
        folders_test(root)


def test_a_csv_that_leaves_nothing_to_train_on_is_refused(root):
    write_csv(root, *(f"{path},1," for path in FILES if path.startswith("infrared")))
    with pytest.raises(ValueError, match=r"infrared has 3 pictures .* keeps all of them"):
        folders_train(root)


def test_a_missing_or_empty_folder_is_named(root):
    with pytest.raises(FileNotFoundError, match=r"no folder at .*nowhere"):
        folders_train(root / "nowhere")
    os.rename(root / "infrared", root / "thermal")
    with pytest.raises(FileNotFoundError, match=r"no folder at .*infrared"):
        folders_train(root)
    (root / "infrared").mkdir()
    with pytest.raises(ValueError, match=r"no picture under .*infrared"):
        folders_train(root)


def test_a_linked_folder_is_followed_and_a_link_in_a_circle_ends(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "n.jpg").touch()
    (root / "visible/linked").symlink_to(elsewhere)
    (root / "visible/door 1/round").symlink_to(root / "visible")
    paths = folders_train(root).visible.paths
    assert "visible/linked/n.jpg" in paths and len(paths) == 5


@pytest.mark.parametrize("name", ["gone.jpg", "door 7"])
def test_a_broken_link_is_named(root, name):
    (root / "visible" / name).symlink_to(root / "nowhere")
    with pytest.raises(ValueError, match=rf"{name} is a broken link"):
        folders_train(root)


def test_a_broken_link_that_begins_with_a_dot_is_an_editors_and_passed_over(root):
    (root / "visible/.#notes.txt").symlink_to("user@host.123")
    assert len(folders_train(root).visible.paths) == 4


def test_a_folder_that_cannot_be_read_is_an_error_and_not_passed_over(root, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if "door 2" in os.fspath(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="door 2"):
        folders_train(root)


def test_what_is_no_file_is_passed_over_and_never_opened(root):
    os.mkfifo(root / "visible/pipe.jpg")  # opening it would wait for ever
    (root / "visible/zero.jpg").symlink_to("/dev/zero")
    assert len(folders_train(root).visible.paths) == 4


@pytest.mark.parametrize("name", [b"a\nb.jpg", b"\xff\xfe.jpg", b"\x1b[2J/a.jpg"])
def test_a_name_that_cannot_be_shown_is_refused(root, name):
    place = os.fsencode(root / "visible") + b"/" + name
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb"):
        pass
    with pytest.raises(ValueError, match=r"visible: 1 names hold control characters .*; rename"):
        folders_train(root)


@pytest.mark.parametrize("pattern", [r"^(?:a|a)*(b)$", r"(?:[^/]+/?)+(!)$", "((" + "a" * 999])
def test_a_camera_pattern_that_searches_for_ever_ends_with_an_error(root, pattern, monkeypatch):
    monkeypatch.setattr(camera_pattern, "SECONDS", 0.5)
    (root / f"visible/{'a' * 60}.jpg").touch()
    with pytest.raises(ValueError, match=r"camera_pattern .*(takes more than|finds no|the limit)"):
        folders_train(root, camera_pattern=pattern)


def link(path):
    path.symlink_to("gone.csv")


@pytest.mark.parametrize("make", [link, os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev")])
def test_an_identities_file_that_is_no_file_is_refused_and_not_taken_as_absent(root, make):
    make(root / "identities.csv")
    with pytest.raises(ValueError, match=r"identities\.csv is a .*, not a regular file"):
        folders_train(root)


def test_a_row_that_spells_a_name_differently_gets_a_hint(root):
    (root / "visible/Ren\u00e9.jpg").touch()
    write_csv(root, "visible/rene\u0301.jpg,1,")
    with pytest.raises(ValueError, match=r"line 2: no picture .*there is 'visible/Ren\\xe9\.jpg'"):
        folders_test(root)


def test_a_quote_that_is_never_closed_is_an_error_with_its_file(root):
    (root / "identities.csv").write_text('path,identity\n"' + "x" * 200_000)
    with pytest.raises(ValueError, match=r"identities\.csv, line \d+: .*quote"):
        folders_test(root)
