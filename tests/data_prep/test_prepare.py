"""Preparation: the original bytes in the readers' order, once, whole or not at all."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import pictures_builder, prepare
from data_prep.pictures_builder import storable
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.prepared import open_prepared
from pclhd_jax.data.pictures.source import open_raw
from tests.helpers.fake_sysu import fake_sysu
from tests.helpers.small_sets import noise

ROOT = Path(__file__).parents[2]


def assert_same_lists(found: dict[str, Pictures], expected: dict[str, Pictures]):
    assert found.keys() == expected.keys()
    for split, pictures in expected.items():
        assert found[split].paths == pictures.paths
        np.testing.assert_array_equal(found[split].identities_N, pictures.identities_N)
        np.testing.assert_array_equal(found[split].cameras_N, pictures.cameras_N)


def test_a_full_size_sysu_is_prepared_with_the_published_counts(tmp_path):
    source = fake_sysu(tmp_path / "sysu")
    prepared = open_prepared(prepare.prepare("sysu", source, tmp_path / "prepared"))
    counts = {split: len(pictures.paths) for split, pictures in prepared.pictures.items()}
    assert counts == {
        "train_visible": 22_258,
        "train_infrared": 11_909,
        "test_visible": 6_775,
        "test_infrared": 3_803,
    }
    for split, pictures in prepared.pictures.items():
        for row in (0, 4_095, 4_096, len(pictures.paths) - 1):  # a shard has 4,096 pictures
            if row < len(pictures.paths):
                original = (source / pictures.paths[row]).read_bytes()
                assert prepared.read(split, row) == original


@pytest.mark.parametrize("layout", ["sysu", "regdb", "llcm", "folders"])
def test_lists_and_bytes_are_those_of_the_original_layout(drawn, layout, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures_builder, "PICTURES_PER_SHARD", 7)  # the order survives shards
    path = prepare.prepare(layout, drawn[layout], tmp_path)
    assert any("00001-of-" in file.name for file in path.iterdir())
    for trial in (1, 10) if layout == "regdb" else (1,):
        raw, prepared = (
            open_raw(layout, drawn[layout], trial=trial),
            open_prepared(path, trial=trial),
        )
        assert prepared.layout == layout
        assert_same_lists(prepared.pictures, raw.lists)
        for split, pictures in raw.lists.items():
            stored = [prepared.read(split, row) for row in range(len(pictures.paths))]
            assert stored == [storable(raw.read(split, row)) for row in range(len(pictures.paths))]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA"])
def test_bmp_becomes_png_with_the_same_pixels(tmp_path, mode):
    noise(1).convert(mode).save(tmp_path / "a.bmp")
    data = storable((tmp_path / "a.bmp").read_bytes())
    assert data.startswith(b"\x89PNG")
    (tmp_path / "a.png").write_bytes(data)
    pixels = [np.asarray(Image.open(tmp_path / f"a.{s}").convert("RGB")) for s in ("bmp", "png")]
    np.testing.assert_array_equal(*pixels)


def test_regdb_stores_each_picture_once_for_all_ten_trials(drawn, tmp_path):
    path = prepare.prepare("regdb", drawn["regdb"], tmp_path)
    stored = sum(file.stat().st_size for file in path.glob("*array_record*"))
    pictures = [open_prepared(path, trial=trial).pictures for trial in range(1, 11)]
    assert len({p["train_visible"].paths for p in pictures}) > 1  # the trials differ
    originals = {name for p in pictures for split in p.values() for name in split.paths}
    # ArrayRecord pads a file to 64 KiB; ten copies of the pictures would not fit into this.
    size = sum(len(storable((drawn["regdb"] / name).read_bytes())) for name in originals)
    assert stored < 2 * size + 4 * 65_536 < 10 * size + 4 * 65_536


def test_a_second_run_finds_the_prepared_set(own, tmp_path, monkeypatch):
    first = prepare.prepare("folders", own, tmp_path / "p")
    monkeypatch.setattr(prepare, "_make", None)  # calling it would fail
    assert prepare.prepare("folders", own, tmp_path / "p") == first


def test_a_set_that_tfds_alone_built_may_be_the_source(drawn, tmp_path):
    import tensorflow_datasets as tfds

    from data_prep.folders import Folders

    builder = Folders(data_dir=tmp_path)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=drawn["folders"])
    )
    path = Path(builder.data_dir)
    assert prepare.prepare("folders", path, tmp_path / "p") == path


def test_another_camera_pattern_is_another_set(own, tmp_path):
    plain = open_prepared(prepare.prepare("folders", own, tmp_path / "p"))
    cameras = open_prepared(
        prepare.prepare("folders", own, tmp_path / "p", camera_pattern=r"c(\d)/")
    )
    assert set(plain.pictures["train_visible"].cameras_N) == {-1}
    assert cameras.pictures["train_visible"].cameras_N.tolist() == [0, 0, 0, 1, 1]


def test_the_command_prepares_without_tensorflow(drawn, tmp_path):
    program = (
        "import sys\n"
        "from data_prep.prepare import main\n"
        f"main(['sysu', '--source', {str(drawn['sysu'])!r}, '--data_dir', {str(tmp_path)!r}])\n"
        "from pclhd_jax.data.pictures.prepared import open_prepared; import glob\n"
        f"[path] = glob.glob({str(tmp_path)!r} + '/sysu_mm01/*/1.0.0')\n"
        "assert open_prepared(path).read('test_infrared', 3)[:2] == bytes([0xFF, 0xD8])\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "is ready" in done.stdout and "nothing is wrong" in done.stdout


def test_a_prepared_folder_as_source_is_returned_as_it_is(own, tmp_path):
    path = prepare.prepare("folders", own, tmp_path / "p")
    assert prepare.prepare("folders", path, tmp_path / "q") == path
    assert not (tmp_path / "q").exists()
    with pytest.raises(ValueError, match="is a prepared set of layout folders, not sysu"):
        prepare.prepare("sysu", path, tmp_path / "q")


def test_every_picture_is_reported_checked_and_written(own, tmp_path):
    calls = []
    prepare.prepare("folders", own, tmp_path / "p", report=lambda *call: calls.append(call))
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)
    assert {total for _, total, _ in calls} == {20}
    assert calls[0][2] == ", checking" and calls[-1] == (20, 20, ", writing")


def test_a_camera_pattern_is_refused_where_the_layout_names_the_cameras(drawn, tmp_path):
    with pytest.raises(ValueError, match="sysu names its cameras itself"):
        prepare.prepare("sysu", drawn["sysu"], tmp_path, camera_pattern=r"cam(\d)")


def test_a_regdb_trial_that_is_not_there_is_named(drawn, tmp_path):
    with pytest.raises(ValueError, match="RegDB trial is 11"):
        prepare.prepare("regdb", drawn["regdb"], tmp_path, trial=11)


def test_tfds_alone_builds_and_decodes_a_set(drawn, tmp_path):
    import tensorflow_datasets as tfds

    from data_prep.sysu_mm01 import SysuMm01

    builder = SysuMm01(data_dir=tmp_path)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=drawn["sysu"])
    )
    example = builder.as_data_source("test_infrared")[1]
    name = open_raw("sysu", drawn["sysu"]).lists["test_infrared"].paths[1]
    assert example["path"].decode() == name and example["camera"] == 6
    np.testing.assert_array_equal(example["image"], np.asarray(Image.open(drawn["sysu"] / name)))
    assert_same_lists(
        open_prepared(builder.data_dir).pictures, open_raw("sysu", drawn["sysu"]).lists
    )
