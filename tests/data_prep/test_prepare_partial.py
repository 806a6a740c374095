"""Preparation of a source that is not whole: refused, or what can be read where that is allowed."""

import pytest

from data_prep import prepare
from data_prep.synthetic import generate
from pclhd_jax.data.pictures.prepared import is_prepared, open_prepared
from tests.helpers.small_sets import TINY, below


def test_a_set_of_other_numbers_than_published_is_refused_unless_allowed(tmp_path):
    root = generate(tmp_path / "sysu", **TINY)
    (root / "README.txt").unlink()  # now nothing says that it is synthetic
    with pytest.raises(ValueError, match=r"not the whole set.*data\.allow_partial=True"):
        prepare.prepare("sysu", root, tmp_path / "p")
    assert below(tmp_path / "p") == [".lock"]
    assert is_prepared(prepare.prepare("sysu", root, tmp_path / "p", allow_partial=True))
    with pytest.raises(ValueError, match="not the whole set"):  # although it is there now
        prepare.prepare("sysu", root, tmp_path / "p")


def test_unreadable_pictures_are_left_out_of_a_partial_set(own, tmp_path):
    (own / "visible/c0/2.png").write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 10 pictures cannot be read"):
        prepare.prepare("folders", own, tmp_path / "p")
    path = prepare.prepare("folders", own, tmp_path / "p", allow_partial=True)
    pictures = open_prepared(path).pictures["train_visible"]
    assert pictures.paths == tuple(f"visible/c{n % 2}/{n}.png" for n in (0, 4, 1, 3))
    for row, name in enumerate(pictures.paths):
        assert open_prepared(path).read("train_visible", row) == (own / name).read_bytes()


def test_a_modality_without_any_readable_picture_is_an_error(own, tmp_path):
    for path in (own / "infrared").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="none of the 5 pictures of train_infrared can be read"):
        prepare.prepare("folders", own, tmp_path / "p", allow_partial=True)


def test_a_prepared_folder_that_was_copied_in_part_is_named(own, tmp_path):
    target = prepare.prepare("folders", own, tmp_path / "prepared")
    (target / "metadata.json").unlink()
    with pytest.raises(ValueError, match=r"no complete prepared set.*remove it"):
        prepare.prepare("folders", own, tmp_path / "prepared")


def test_a_partial_set_named_as_the_source_is_refused_unless_allowed(own, tmp_path):
    broken = next((own / "visible").rglob("*.png"))
    broken.write_bytes(b"")
    target = prepare.prepare("folders", own, tmp_path / "prepared", allow_partial=True)
    with pytest.raises(ValueError, match="cannot be read"):
        prepare.prepare("folders", target, tmp_path / "other")
    assert prepare.prepare("folders", target, tmp_path / "other", allow_partial=True) == target
