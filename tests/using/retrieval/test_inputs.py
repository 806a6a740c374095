"""What an input names, in which order, by which relative names."""

import os
import re

import numpy as np
import pytest

from data_prep.prepare import prepare
from pclhd_jax.data.pictures.source import open_raw
from pclhd_jax.using.retrieval.inputs import SetChoice, list_inputs, reader_of
from tests.helpers.small_sets import noise


@pytest.fixture
def tree(tmp_path):
    for number, name in enumerate(["b/2.png", "b/10.png", "a/x/1.png", "c.png", "b/.hidden.png"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        noise(number).save(tmp_path / name)
    (tmp_path / "b/notes.md").write_text("no picture")
    return tmp_path


def names(listed):
    return list(listed.pictures.paths)


def test_a_folder_gives_every_picture_below_it_sorted_by_path(tree):
    listed = list_inputs([tree], "visible")
    assert names(listed) == ["a/x/1.png", "b/10.png", "b/2.png", "c.png"]
    assert listed.read(2) == (tree / "b/2.png").read_bytes()
    assert (listed.pictures.identities_N == -1).all()
    assert listed.source == {"root": str(tree)}


def test_inputs_keep_their_order_and_are_named_from_the_folder_that_holds_all(tree, monkeypatch):
    listed = list_inputs([tree / "c.png", tree / "b"], "visible")
    assert names(listed) == ["c.png", "b/10.png", "b/2.png"]
    monkeypatch.chdir(tree / "b")
    assert names(list_inputs(["2.png"], "visible")) == ["2.png"]
    assert names(list_inputs(["../a", "."], "visible")) == ["a/x/1.png", "b/10.png", "b/2.png"]


def test_a_list_names_paths_from_its_own_folder(tree):
    (tree / "b/list.txt").write_text("2.png\n\n ../a/x/1.png \n")
    listed = list_inputs([tree / "b/list.txt"], "infrared")
    assert names(listed) == ["b/2.png", "a/x/1.png"]
    (tree / "b/list.txt").write_text(f"10.png\n{tree}/b/2.png\n")
    assert names(list_inputs([tree / "b/list.txt"], "infrared")) == ["10.png", "2.png"]


def test_inputs_without_a_picture_are_refused(tree):
    (tree / "empty").mkdir()
    (tree / "list.txt").write_text("\n")
    (tree / "other.txt").write_text("c.png\nnotes.md\n")
    for inputs, error, message in [
        ([], ValueError, "nothing to read"),
        ([tree / "none"], FileNotFoundError, "there is no .*none"),
        ([tree / "empty"], ValueError, r"no picture below .*empty; put files there .*\.jpg"),
        ([tree / "list.txt"], ValueError, "lists no picture"),
        ([tree / "other.txt"], ValueError, r"other\.txt, line 2: 'notes\.md' is no picture"),
        ([tree / "b/notes.md"], ValueError, "neither a picture .* nor a list of paths"),
        ([tree / "b", tree / "b/2.png"], ValueError, r"b/2\.png is named twice|2\.png is named"),
    ]:
        with pytest.raises(error, match=message):
            list_inputs(inputs, "visible")


def test_a_set_gives_one_modality_of_a_split_with_its_identities(pictures, tmp_path):
    prepared = prepare("sysu", pictures, tmp_path, allow_partial=True)
    source = open_raw("sysu", pictures)
    for inputs, choice in [([pictures], SetChoice("sysu")), ([prepared], SetChoice())]:
        listed = list_inputs(inputs, "infrared", choice)
        expected = source.lists["test_infrared"]
        assert names(listed) == list(expected.paths)
        np.testing.assert_array_equal(listed.pictures.identities_N, expected.identities_N)
        np.testing.assert_array_equal(listed.pictures.cameras_N, expected.cameras_N)
        assert listed.read(3) == source.read("test_infrared", 3)
        some = listed.pictures.take(np.array([5, 3]))
        assert reader_of(listed.source, some)(1) == source.read("test_infrared", 3)
    train = list_inputs([prepared], "visible", SetChoice(split="train"))
    assert names(train) == list(source.lists["train_visible"].paths)
    with pytest.raises(ValueError, match="is a data set; give it alone"):
        list_inputs([prepared, pictures], "visible")
    with pytest.raises(ValueError, match=r"has no val_visible; it has train_visible, train_inf"):
        list_inputs([prepared], "visible", SetChoice(split="val"))
    with pytest.raises(ValueError, match="is a prepared sysu, asked for regdb"):
        list_inputs([prepared], "visible", SetChoice("regdb"))
    with pytest.raises(ValueError, match=f"name the prepared set below it, {os.fspath(prepared)}"):
        list_inputs([tmp_path], "visible")


@pytest.fixture
def own(tmp_path):
    for number, name in enumerate(["visible/1.png", "infrared/2.png", "visible/x/3.png"]):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        noise(number).save(tmp_path / "own" / name)
    return tmp_path / "own"


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_a_folder_of_both_modalities_is_refused_with_the_words_to_type(own, modality):
    for folder in (own, own.parent):
        words = f"name the {modality} folders, {own / modality}, or the set, {own} --layout folders"
        with pytest.raises(ValueError, match=re.escape(words)):
            list_inputs([folder], modality)
    assert len(names(list_inputs([own], modality, SetChoice("folders", "train")))) in (1, 2)


def test_a_folder_or_a_list_of_the_other_modality_is_reported(own, capsys):
    assert names(list_inputs([own / "visible"], "visible")) == ["1.png", "x/3.png"]
    assert capsys.readouterr().out == ""
    (own / "list.txt").write_text("visible/1.png\ninfrared/2.png\n")
    for given, count in [
        ("infrared", "1 of 1"),
        ("infrared/2.png", "1 of 1"),
        ("list.txt", "1 of 2"),
    ]:
        list_inputs([own / given], "visible")
        out = capsys.readouterr().out
        assert f"note: {count} pictures are in a folder of infrared pictures" in out


def test_other_files_in_a_folder_are_counted(own, capsys):
    for name in ("4.webp", "5.webp", "6.tif"):
        (own / "visible" / name).touch()
    list_inputs([own / "visible"], "visible")
    assert f"left out below {own}/visible: 2 .webp, 1 .tif" in capsys.readouterr().out
    (own / "only").mkdir()
    (own / "only/7.webp").touch()
    with pytest.raises(ValueError, match=r"no picture below .*only; .*\(left out .*: 1 \.webp\)"):
        list_inputs([own / "only"], "visible")


def test_a_path_in_a_list_may_begin_with_a_tilde(own, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(own))
    (tmp_path / "list.txt").write_text("~/visible/1.png\n")
    assert list_inputs([tmp_path / "list.txt"], "visible").pictures.root == str(own.parent)
    assert names(list_inputs(["~/visible/1.png"], "visible")) == ["1.png"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_list_or_a_picture_that_is_a_pipe_or_a_device_is_not_waited_for(own, make):
    make(own / "list.txt")
    with pytest.raises(ValueError, match=r"list\.txt is a .*; only regular files are read"):
        list_inputs([own / "list.txt"], "visible")
    make(own / "pipe.png")
    listed = list_inputs([own / "pipe.png"], "visible")
    with pytest.raises(ValueError, match="no content, because it is a"):
        listed.read(0)


def test_a_broken_link_is_called_a_broken_link(own):
    (own / "gone.png").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError, match=r"gone\.png is a broken link"):
        list_inputs([own / "gone.png"], "visible")


def test_a_path_that_is_longer_than_any_is_refused_in_a_short_line(own):
    (own / "list.txt").write_text("x" * 20_000 + ".jpg\n")
    with pytest.raises(ValueError, match=r"line 1: a path of 20,004 characters, the limit") as told:
        list_inputs([own / "list.txt"], "visible")
    assert len(str(told.value)) < 500
