"""A checkpoint comes back from a folder of any name, and no path is taken for a pattern."""

import string
import tempfile
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath

from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.plain_name import PlainName
from pclhd_jax.using.inspection.contents import load_state
from tests.helpers.orbax_alone import read_by_manager
from tests.helpers.states import assert_same_bits, small_state

MARKS = string.punctuation.replace("/", "")
NAMES = ["run [v2]", "back\\slash", "a*b?c", "**", "{a}", " ", "ü 行", "\udcff", f"all {MARKS}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_comes_back_from_a_folder_of_any_name(tmp_path, name):
    workdir = tmp_path / name / "run"
    checkpoints = Checkpoints(workdir, keep=1)
    for id in (1, 2):
        checkpoints.save(id, small_state(float(id)), {"stage": 1, "epoch": id - 1})
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["2"]
    checkpoints = Checkpoints(workdir)
    back = checkpoints.restore(2, lambda _: small_state(0.0), make_mesh())
    assert_same_bits(back.state, small_state(2.0))
    assert load_state(workdir / "checkpoints" / "2").progress == {"stage": 1, "epoch": 1}


def test_plain_orbax_reads_what_was_saved_under_brackets(tmp_path):
    checkpoints = Checkpoints(tmp_path / "[v2]", keep=1)
    checkpoints.save(1, {"a": np.arange(3)}, {})
    (tmp_path / "[v2]").rename(tmp_path / "v2")
    assert read_by_manager(tmp_path / "v2", 1)[0]["a"].tolist() == [0, 1, 2]


def test_links_go_with_the_save_that_needed_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    checkpoints = Checkpoints(tmp_path / "[1]", keep=1)
    checkpoints.save(1, {"a": np.arange(3)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["[1]"]


def test_without_a_place_for_a_link_the_error_names_the_remedy(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert PlainName(tmp_path).path == tmp_path
    with pytest.raises(OSError, match=r"\[1\] has characters .*Permission.* set TMPDIR"):
        PlainName(tmp_path / "[1]")


def test_a_save_that_cannot_be_restored_does_not_count(tmp_path, monkeypatch):
    """Orbax's merge of the parts finds nothing, and it reports success."""
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"a": np.arange(3)}, {})
    with monkeypatch.context() as patch:
        patch.setattr(type(epath.Path("/")), "glob", lambda *_: iter(()))
        with pytest.raises(OSError, match=r"checkpoint 2 .*cannot be restored.*1 is int"):
            checkpoints.save(2, {"a": np.arange(3) + 1}, {})
    assert [path.name for path in checkpoints.folder.iterdir()] == ["1"]
    checkpoints.save(2, {"a": np.arange(3) + 2}, {})
    back = checkpoints.restore(2, lambda _: {"a": np.zeros(3, int)}, None)
    assert back.state["a"].tolist() == [2, 3, 4]


@pytest.mark.parametrize("item", ["state", "progress"])
def test_a_save_whose_files_break_on_the_disk_does_not_count(tmp_path, monkeypatch, item):
    save = ocp.Checkpointer.save

    def save_and_break(orbax, folder, **kwargs):
        save(orbax, folder, **kwargs)
        for path in [p for p in (Path(folder) / item).rglob("*") if p.is_file()]:
            path.write_bytes(bytes(path.stat().st_size))

    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"a": np.arange(3)}, {})
    monkeypatch.setattr(ocp.Checkpointer, "save", save_and_break)
    with pytest.raises(OSError, match=f"cannot be restored .*{item}.*checkpoint 1 is intact"):
        checkpoints.save(2, {"a": np.arange(3)}, {})
    assert checkpoints.ids() == [1]


def test_what_no_save_wrote_stays_where_checkpoints_come_and_go(tmp_path):
    folder = tmp_path / "checkpoints"
    theirs = ["notes/a.txt", "99/novel/a.txt", "7.orbax-checkpoint-tmp/a.txt", "mine.txt"]
    for name in theirs:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    checkpoints = Checkpoints(tmp_path, keep=1)
    for id in (1, 2, 3):
        checkpoints.save(id, {"a": np.arange(id)}, {})
        (folder / str(id) / "state" / "mine.txt").write_text(str(id))
        (folder / str(id) / "mine.txt").write_text(str(id))
    with pytest.raises(FileExistsError, match="99 is not a checkpoint of this program"):
        checkpoints.save(99, {"a": np.arange(3)}, {})
    assert checkpoints.ids() == [3]
    checkpoints.remove_all()
    assert all((folder / name).read_text() == "mine" for name in theirs)
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert len(kept) == len(theirs) + 6
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"a": np.arange(3)}, {})
    assert checkpoints.ids() == [1]
