import os
import stat
import time

import pytest

from pclhd_jax.saving.disk import write_whole
from pclhd_jax.system.whole_files import LEFTOVER_SECONDS, whole_file, whole_path

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights and links")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("planted", ["report.json", "report.json.new"])
@posix
def test_a_planted_link_is_not_followed(tmp_path, planted):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / planted).symlink_to(victim)
    write_whole(tmp_path / "out" / "report.json", "{}")
    assert victim.read_text() == "precious"
    assert (tmp_path / "out" / "report.json").read_text() == "{}"
    assert not (tmp_path / "out" / "report.json").is_symlink()


def test_a_foreign_file_beside_is_left_alone(tmp_path):
    (tmp_path / "report.json.new").write_text("somebody's")
    write_whole(tmp_path / "report.json", "{}")
    assert (tmp_path / "report.json.new").read_text() == "somebody's"


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(KeyError), whole_file(path) as file:
        file.write(b"half")
        raise KeyError
    assert path.read_text() == "old" and names(tmp_path) == ["report.json"]


@posix
def test_rights_are_the_systems_or_the_owners_alone(tmp_path):
    before = os.umask(0o022)
    try:
        for private, mode in ((False, 0o644), (True, 0o600)):
            with whole_file(tmp_path / "x", private=private) as file:
                file.write(b"1")
            assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode
    finally:
        os.umask(before)


def test_what_a_kill_left_half_written_goes_when_it_is_old(tmp_path):
    old, fresh = (tmp_path / f".x[1].{digit * 16}.new" for digit in "ab")
    other = tmp_path / ".x[1].mine.new"
    for path in (old, fresh, other):
        path.write_text("half")
    past = time.time() - LEFTOVER_SECONDS - 10
    os.utime(old, (past, past))
    os.utime(other, (past, past))
    write_whole(tmp_path / "x[1]", "1")
    assert names(tmp_path) == sorted([fresh.name, other.name, "x[1]"])


def test_a_path_for_writers_that_take_one(tmp_path):
    with whole_path(tmp_path / "model.onnx") as path:
        assert path.name == "model.onnx" and path.parent.parent == tmp_path
        path.write_bytes(b"1")
    with pytest.raises(OSError), whole_path(tmp_path / "model.onnx") as path:
        path.write_bytes(b"2")
        raise OSError
    assert (tmp_path / "model.onnx").read_bytes() == b"1" and names(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize("letter", ["a", "\u00e9"])
def test_the_longest_names_of_a_drive_can_be_written(tmp_path, letter):
    path = tmp_path / (letter * (255 // len(letter.encode())))
    write_whole(path, "1")
    assert path.read_text() == "1" and names(tmp_path) == [path.name]
