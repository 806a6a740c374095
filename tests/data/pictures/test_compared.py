"""Pictures whose times alone changed are compared with what was made of them once."""

import os
import re
import shutil
import time

import pytest

from data_prep import prepare
from pclhd_jax.data.pictures.compared import compared_until_ns, note_compared
from tests.helpers.picture_cache import COUNT, draw


def touch(path):
    """A newer time of change, the same bytes and date."""
    time.sleep(0.02)  # the system's clock for files ticks a hundred times a second or more
    os.chmod(path, 0o600)


def test_touched_pictures_are_compared_with_the_cache_once_and_after_the_next_touch(cache):
    picture = os.path.join(cache.pictures.root, "3.png")
    cache()
    for _ in range(2):
        touch(picture)
        cache()
        assert sorted(cache.decoded) == list(range(COUNT))
        cache()
        assert cache.decoded == [] == cache.told


def test_a_note_of_another_cache_file_or_a_damaged_one_is_none(cache, folder):
    picture = os.path.join(cache.pictures.root, "3.png")
    cache()
    touch(picture)
    cache()
    (note,) = folder.glob("*.compared")
    for text in ("", "[]", '{"made": "another", "changed_ns": 9999999999999999999}'):
        note.write_text(text)
        cache()
        assert sorted(cache.decoded) == list(range(COUNT))


def test_a_folder_that_cannot_be_written_costs_the_comparison_alone(tmp_path):
    note = tmp_path / "no such folder/note"
    note_compared(note, "made", 7)
    assert compared_until_ns(note, "made") == 0


@pytest.fixture
def compared(tmp_path, capsys):
    """Prepares a folder and says how many pictures were compared."""

    def call(root):
        prepare.prepare("folders", root, tmp_path / "prepared")
        found = re.search(r"comparing (\d+) pictures", capsys.readouterr().out)
        return int(found[1]) if found else 0

    return call


def test_a_touched_source_is_compared_with_its_prepared_set_once(compared, cache, tmp_path):
    root = tmp_path / "own"
    shutil.copytree(cache.pictures.root, root / "visible")
    (root / "infrared").mkdir()
    for number in range(5):
        draw(root / f"infrared/{number}.png", 10 + number)
    assert compared(root) == 0
    for _ in range(2):
        touch(root / "visible/3.png")
        assert [compared(root), compared(root)] == [1, 0]
    # What was found of one source says nothing of another of the same set, even if it is newer.
    touch(root / "visible/3.png")
    time.sleep(0.02)
    copied = shutil.copytree(root, tmp_path / "copy")
    assert [compared(copied), compared(root), compared(root)] == [2 * COUNT, 1, 0]
