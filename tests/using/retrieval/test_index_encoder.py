"""The encoder that an index names: found again, moved with it, gone, changed, not asked for."""

import json
import shutil

import numpy as np
import pytest

from pclhd_jax.using.retrieval.index import read_index
from pclhd_jax.using.retrieval.index_encoder import ABSOLUTE, BESIDE, encoder_of_index, named_paths
from pclhd_jax.using.retrieval.make_index import make_index
from pclhd_jax.using.retrieval.queries import encoder_for
from pclhd_jax.using.retrieval.search_index import search_index
from tests.helpers.small_sets import noise


@pytest.fixture
def beside(run, index, tmp_path):
    """An index in a folder with its run."""
    shutil.copytree(run, tmp_path / "project/run")
    noise(0).save(tmp_path / "a.png")
    picture = [tmp_path / "a.png"]
    make_index(tmp_path / "project/run", picture, "visible", tmp_path / "project/gallery")
    return tmp_path / "project"


def changed(name, **values):
    path = name.with_name(f"{name.name}.json")
    header = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in header.items() if value is not None}))


def test_a_search_with_pictures_needs_no_checkpoint_and_says_which_encoder_it_loads(
    run, index, pictures, capsys
):
    folder = sorted((pictures / "cam3").iterdir())[0]
    ways = {"modality": "infrared", "batch_size": 32}
    found = search_index(index.name, [folder], **ways)
    out = capsys.readouterr().out
    assert f"encoder: {run}/checkpoints/3 after 3 epochs" in out and "gallery.json names" in out
    given = search_index(index.name, [folder], checkpoint=run, **ways)
    np.testing.assert_array_equal(found.similarities_QK, given.similarities_QK)


def test_an_index_moved_with_its_run_finds_it_there(beside, tmp_path, capsys):
    beside.rename(tmp_path / "after")
    encoder_of_index(read_index(tmp_path / "after/gallery"))
    assert f"encoder: {tmp_path}/after/run/checkpoints/3" in capsys.readouterr().out


def test_an_index_moved_alone_finds_its_run_where_it_was(beside, tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    for path in beside.glob("gallery.*"):
        path.rename(tmp_path / "deep/er" / path.name)
    assert encoder_of_index(read_index(tmp_path / "deep/er/gallery")).epochs_done == 3


def test_an_encoder_that_is_gone_is_one_line_with_the_remedy(beside):
    shutil.rmtree(beside / "run")
    with pytest.raises(FileNotFoundError, match=r"not at .*checkpoints/3 any more; give --check"):
        encoder_of_index(read_index(beside / "gallery"))


def test_other_weights_in_its_place_are_refused_with_both_digests(beside):
    index = read_index(beside / "gallery")
    digest = index.header["encoder"]
    changed(index.name, encoder="0" * 32)
    with pytest.raises(ValueError, match=rf"other weights .*{digest}.*\(0{{32}}\).*--checkpoint"):
        encoder_of_index(read_index(index.name))


def test_what_cannot_be_loaded_is_said_with_the_remedy(beside, tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    changed(
        beside / "gallery",
        **{ABSOLUTE: str(tmp_path / "weights.safetensors"), BESIDE: None},
    )
    with pytest.raises(ValueError, match=r"cannot be loaded: .*weights\.safetensors.*--checkpoint"):
        encoder_of_index(read_index(beside / "gallery"))


@pytest.mark.parametrize(
    "path",
    [None, 7, "", ["x"], "relative/run", "\\\\server\\share\\run", "//server/share/run", "/a\0b"],
)
def test_paths_that_lead_to_other_computers_or_nowhere_are_not_asked(beside, path):
    changed(beside / "gallery", **{ABSOLUTE: path, BESIDE: "//server/run"})
    index = read_index(beside / "gallery")
    assert named_paths(index) == []
    with pytest.raises(FileNotFoundError, match="does not say where its encoder is; give --chec"):
        encoder_of_index(index)


def test_an_index_of_an_older_version_asks_for_a_checkpoint(beside, tmp_path):
    changed(beside / "gallery", **{ABSOLUTE: None, BESIDE: None})
    with pytest.raises(FileNotFoundError, match=r"give --checkpoint, the encoder of the index \("):
        search_index(beside / "gallery", [tmp_path / "a.png"], modality="visible")


def test_an_index_of_another_picture_size_than_its_run_is_refused(beside, run):
    changed(beside / "gallery", height=48)
    gallery = read_index(beside / "gallery")
    with pytest.raises(ValueError, match=r"takes pictures of 32 x 16, asked for 48 x 16"):
        encoder_of_index(gallery)
    with pytest.raises(ValueError, match=r"takes pictures of 32 x 16, asked for 48 x 16"):
        encoder_for(gallery, run)
