"""Preparation of a source that changed since or changes meanwhile: it is noticed."""

import os
import re
import shutil
import time

import pytest

from data_prep import prepare
from data_prep.pictures_builder import storable
from pclhd_jax.data.pictures.prepared import is_prepared, open_prepared
from tests.helpers.small_sets import below, noise


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
    # Two people have one picture now, which the doctor would call a problem.
    assert prepare.prepare("regdb", root, tmp_path / "p", allow_partial=True) == target
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
