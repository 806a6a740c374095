"""Preparation: the original bytes in the readers' order, once, whole or not at all."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import pictures_builder, prepare
from data_prep.pictures_builder import storable
from data_prep.synthetic import generate
from pclhd_jax.data.lists import Pictures
from pclhd_jax.pictures.prepared import is_prepared, open_prepared
from pclhd_jax.pictures.source import open_raw
from tests.helpers.fake_sysu import fake_sysu

ROOT = Path(__file__).parents[2]
TINY = dict(train_ids=4, val_ids=2, test_ids=2, shots=1, height=32, width=16, workers=1)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A few people in each layout."""
    root = tmp_path_factory.mktemp("drawn")
    return {
        layout: generate(root / layout, layout=layout, **TINY)
        for layout in ("sysu", "regdb", "llcm", "folders")
    }


@pytest.fixture
def own(tmp_path):
    """Folders of one's own: 5 pictures of each modality, in two cameras."""
    for modality in ("visible", "infrared"):
        for number in range(5):
            path = tmp_path / f"own/{modality}/c{number % 2}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise(number).save(path)
    return tmp_path / "own"


def noise(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 5, 3), np.uint8))


def below(folder):
    return sorted(p.name for p in folder.iterdir())


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


def test_a_changed_source_is_prepared_again_beside_the_old_one(own, tmp_path):
    first = prepare.prepare("folders", own, tmp_path / "p")
    noise(99).resize((50, 90)).save(own / "visible/c0/0.png")
    second = prepare.prepare("folders", own, tmp_path / "p")
    assert second != first and is_prepared(first)
    changed = (own / "visible/c0/0.png").read_bytes()
    assert open_prepared(second).read("train_visible", 0) == changed
    assert open_prepared(first).read("train_visible", 0) != changed


def swap(path, other):
    """The bytes of another picture of the same size and date, as `cp -p` brings them."""
    before = path.stat()
    assert path.stat().st_size == other.stat().st_size
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_picture_replaced_by_another_of_its_size_and_date_is_noticed(drawn, tmp_path):
    root = shutil.copytree(drawn["regdb"], tmp_path / "regdb")
    target = prepare.prepare("regdb", root, tmp_path / "p")
    time.sleep(0.02)  # the system's clock for files ticks a hundred times a second or more
    one, other = sorted((root / "Thermal").rglob("*.bmp"))[:2]
    swap(one, other)
    name = one.relative_to(root).as_posix()
    with pytest.raises(ValueError, match=rf"1 pictures below .* others .*{name}; remove"):
        prepare.prepare("regdb", root, tmp_path / "p")
    assert prepare.prepare("regdb", target, tmp_path / "p") == target  # one of the two remedies
    shutil.rmtree(target)
    assert prepare.prepare("regdb", root, tmp_path / "p") == target
    prepared = open_prepared(target, trial=1)
    split = next(s for s, pictures in prepared.pictures.items() if name in pictures.paths)
    stored = prepared.read(split, prepared.pictures[split].paths.index(name))
    assert stored == storable(other.read_bytes())


@pytest.mark.parametrize("layout", ["regdb", "folders"])
def test_a_copy_of_the_source_is_compared_and_found_to_be_the_same(drawn, tmp_path, capsys, layout):
    root = shutil.copytree(drawn[layout], tmp_path / "one")
    target = prepare.prepare(layout, root, tmp_path / "p")
    time.sleep(0.02)
    copied = shutil.copytree(root, tmp_path / "two")
    capsys.readouterr()
    assert prepare.prepare(layout, copied, tmp_path / "p") == target
    assert re.search(r"comparing \d+ pictures that changed after", capsys.readouterr().out)
    assert prepare.prepare(layout, root, tmp_path / "p") == target
    assert "comparing" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (os.unlink, r"infrared/c\d/\d\.png cannot be read any more .*No such file"),
        (lambda path: path.write_bytes(b""), "were changed while they were prepared"),
        (lambda path: path.write_bytes(b"BM"), r"infrared/c\d/\d\.png cannot be read any more"),
    ],
    ids=["removed", "emptied", "made a torn bitmap"],
)
def test_pictures_that_change_while_they_are_prepared_are_an_error(own, tmp_path, spoil, message):
    spoilt = []

    def report(done, total, note):
        if "writing" in note and not spoilt:
            spoilt.append(max((own / "infrared").rglob("*.png")))
            spoil(spoilt[0])

    with pytest.raises(ValueError, match=message):
        prepare.prepare("folders", own, tmp_path / "p", report=report)
    assert below(tmp_path / "p") == [".lock"]


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


def test_an_interrupted_preparation_leaves_nothing_behind(own, tmp_path):
    def interrupt(done, total, note):
        if "writing" in note and done > 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare.prepare("folders", own, tmp_path / "p", report=interrupt)
    assert below(tmp_path / "p") == [".lock"]
    assert is_prepared(prepare.prepare("folders", own, tmp_path / "p"))


def test_what_a_killed_preparation_leaves_is_never_read_and_removed_by_the_next(own, tmp_path):
    program = (
        "import os, signal; from data_prep.prepare import prepare\n"
        "def kill(done, total, note):\n"
        "    if done > 15: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"prepare('folders', {str(own)!r}, {str(tmp_path / 'p')!r}, report=kill)"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = [name for name in below(tmp_path / "p") if name != ".lock"]
    assert len(left) == 1 and left[0].startswith(".partial-")
    assert not any(is_prepared(folder) for folder, _, _ in os.walk(tmp_path / "p"))
    # Another set than the killed one, by its cameras: its remains go all the same.
    path = prepare.prepare("folders", own, tmp_path / "p", camera_pattern=r"c(\d)/")
    assert below(tmp_path / "p") == [".lock", "folders"]
    assert len(open_prepared(path).pictures["train_visible"].paths) == 5


def test_the_command_prepares_without_tensorflow_behind_a_progress_bar(drawn, tmp_path):
    program = (
        "import sys\n"
        "from data_prep.prepare import main\n"
        f"main(['sysu', '--source', {str(drawn['sysu'])!r}, '--data_dir', {str(tmp_path)!r}])\n"
        "from pclhd_jax.pictures.prepared import open_prepared; import glob\n"
        f"[path] = glob.glob({str(tmp_path)!r} + '/sysu_mm01/*/1.0.0')\n"
        "assert open_prepared(path).read('test_infrared', 3)[:2] == bytes([0xFF, 0xD8])\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "is ready" in done.stdout and "nothing is wrong" in done.stdout
    assert "100%" in done.stderr and " pictures/s]" in done.stderr  # the progress bar


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


def test_a_prepared_folder_as_source_is_returned_as_it_is(own, tmp_path):
    path = prepare.prepare("folders", own, tmp_path / "p")
    assert prepare.prepare("folders", path, tmp_path / "q") == path
    assert not (tmp_path / "q").exists()
    with pytest.raises(ValueError, match="is a prepared set of layout folders, not sysu"):
        prepare.prepare("sysu", path, tmp_path / "q")


def test_two_preparations_at_once_make_the_set_once(own, tmp_path, monkeypatch):
    made, make = [], prepare._make

    def count(*args):
        made.append(threading.get_ident())
        make(*args)

    monkeypatch.setattr(prepare, "_make", count)
    paths = []
    threads = [
        threading.Thread(
            target=lambda: paths.append(prepare.prepare("folders", own, tmp_path / "p"))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(paths) == 3 and len(set(paths)) == 1 and len(made) == 1


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
