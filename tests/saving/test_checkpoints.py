"""What is saved comes back, on any devices, by plain Orbax too; what cannot be saved is said."""

import errno
import os
import re
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pclhd_jax.processes.mesh import make_mesh, replicate
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.saving.items import write_items
from pclhd_jax.saving.newest import restore_newest
from tests.helpers.orbax_alone import save_by_orbax
from tests.helpers.states import assert_same_bits, mixed_tree, small_state, start

ROOT = Path(__file__).parents[2]


def saved(workdir, *ids, keep=9):
    """Checkpoints with these ids, the id being the state's value."""
    checkpoints = Checkpoints(workdir, keep=keep)
    for id in ids:
        checkpoints.save(id, small_state(float(id)), {"stage": 1, "epoch": id - 1})


def restored(workdir, id=None):
    checkpoints = Checkpoints(workdir)
    if id is not None:
        return checkpoints.restore(id, lambda _: small_state(0.0), make_mesh()).state
    return restore_newest(checkpoints, lambda _: small_state(0.0), make_mesh())


def finish(process, timeout=60):
    _, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, errors


def test_a_checkpoint_gives_back_every_leaf_and_the_progress(tmp_path):
    saved(tmp_path, 1)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest() == 1
    _, state, progress = checkpoints.restore(1, lambda _: small_state(0.0), make_mesh())
    assert progress == {"stage": 1, "epoch": 0}
    assert_same_bits(state, small_state(1.0))


def test_leaves_of_every_kind_come_back_bit_by_bit_and_where_they_were(tmp_path):
    mesh = make_mesh()
    tree = mixed_tree(1.5)
    tree |= {"banks": replicate(mesh, tree["banks"])}
    checkpoints = Checkpoints(tmp_path, keep=1, folder="unfinished")
    checkpoints.save(40, tree, {"step": 40})
    like = mixed_tree(0.0)
    id, back, progress = restore_newest(checkpoints, lambda progress: like, mesh)
    assert (id, progress) == (40, {"step": 40})
    assert_same_bits(back, tree)
    assert isinstance(back["labels_N"], np.ndarray)  # 64 bits: JAX would have cut them
    assert back["banks"]["half_KD"].sharding.is_fully_replicated
    assert back["banks"]["half_KD"].sharding.mesh == mesh
    assert (tmp_path / "unfinished" / "40" / "state").is_dir()
    assert_same_bits(like, mixed_tree(0.0))  # it was not written to


def test_nobody_else_can_read_the_checkpoints(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    saved(tmp_path, 1)
    assert (tmp_path / "checkpoints").stat().st_mode & 0o077 == 0


def test_the_progress_decides_what_is_restored_into(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"labels": np.arange(7)}, {"rows": 7})
    back = restore_newest(checkpoints, lambda p: {"labels": np.empty(p["rows"], int)}, None)
    assert back.state["labels"].tolist() == list(range(7))


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    saved(tmp_path, 1, 2, 3, keep=2)
    saved(tmp_path, 4, keep=2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["3", "4"]


def test_a_save_that_orbax_refuses_is_an_error(tmp_path):
    saved(tmp_path, 2)
    for id in (1, 2):
        with pytest.raises(RuntimeError, match=rf"did not save checkpoint {id} .*newest: 2"):
            saved(tmp_path, id)
    assert_same_bits(restored(tmp_path).state, small_state(2.0))


def test_another_pytree_than_the_saved_one_is_named_and_is_no_damage(tmp_path):
    saved(tmp_path, 1)
    other = {"params": {"kernel": np.zeros((3, 4), np.float32)}}
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(ValueError) as caught:
        restore_newest(checkpoints, lambda _: other, make_mesh())
    assert not isinstance(caught.value, DamagedCheckpoint)
    assert "batch_stats/mean: there ['float32', [2]], here absent" in str(caught.value)
    assert re.search(r"and \d+ more; bring those settings back", str(caught.value))


def test_a_folder_without_checkpoints_gives_none_and_is_not_made(tmp_path):
    assert restored(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_a_checkpoint_of_eight_devices_is_read_by_one_and_the_other_way_round(tmp_path):
    workdirs = {devices: tmp_path / str(devices) for devices in (1, 8)}
    for process in [start("save", workdirs[n], devices=n) for n in (1, 8)]:
        finish(process)
    for process in [start("restore", workdirs[9 - n], n, devices=n) for n in (1, 8)]:
        finish(process)
    state = restored(workdirs[8], 1)  # and by this process's own number
    assert_same_bits(state, small_state(1 / 3))


def test_a_checkpoint_kept_from_an_earlier_version_is_still_read():
    workdir = Path(__file__).parents[1] / "data" / "checkpoint-v1"
    before = sorted(workdir.rglob("*"))
    said = []
    checkpoints = Checkpoints(workdir)
    back = restore_newest(checkpoints, lambda _: mixed_tree(0.0), make_mesh(), said.append)
    assert (back.id, back.progress, said) == (3, {"stage": 2, "epoch": 0}, [])
    assert_same_bits(back.state, mixed_tree(1.5))
    assert back.state["labels_N"].tolist() == [-1, 0, 1099511627776, 1]
    assert np.asarray(back.state["state"].params["kernel"]).tolist() == [[1.5, 1.5]] * 3
    assert sorted(workdir.rglob("*")) == before


def test_a_checkpoint_that_orbax_alone_saved_is_read_with_a_warning(tmp_path, capsys):
    save_by_orbax(tmp_path, 1, small_state(1.0), {})
    assert_same_bits(restored(tmp_path).state, small_state(1.0))
    assert "1 was saved without manifest.json; nothing verifies" in capsys.readouterr().out


@contextmanager
def largest_file(size):
    """The system refuses to write more, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [100, 50_000])  # already its small files; only the arrays
def test_a_full_disk_is_named_and_hurts_no_checkpoint(tmp_path, size, capfd):
    big = {"a": np.random.default_rng(0).standard_normal(40_000)}
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"a": np.zeros(40_000)}, {})
    with largest_file(size), pytest.raises(OSError) as caught:
        checkpoints.save(2, big, {})
    assert os.listdir(tmp_path / "checkpoints") == ["1"]
    checkpoints.save(2, big, {})  # there is room again
    assert checkpoints.ids() == [2]
    assert_same_bits(checkpoints.restore(2, lambda _: big, make_mesh()).state, big)
    message = str(caught.value)
    assert f"saving checkpoint 2 in {tmp_path / 'checkpoints'} failed: File too large" in message
    assert "needs about 0.3 MB, " in message and message.endswith("; checkpoint 1 is intact")
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    workdir = tmp_path / "run"
    workdir.mkdir()
    if os.geteuid():
        workdir.chmod(0o500)
    else:  # root may write anywhere

        def refuse(path, *_, **__):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(
        OSError,
        match=r"failed: Permission denied .*free some space.*; no other is known to be sound$",
    ):
        saved(workdir, 1)
    monkeypatch.undo()
    workdir.chmod(0o700)
    saved(workdir, 1)
    assert_same_bits(restored(workdir).state, small_state(1.0))


def test_a_save_whose_manifest_cannot_be_written_does_not_count(tmp_path, monkeypatch):
    replace = os.replace

    def refuse(source, target):
        if Path(target).name == "manifest.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    saved(tmp_path, 1)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="checkpoint 1 is intact"):
        patch.setattr(os, "replace", refuse)
        saved(tmp_path, 2)
    assert os.listdir(tmp_path / "checkpoints") == ["1"]
    saved(tmp_path, 2)
    assert_same_bits(restored(tmp_path).state, small_state(2.0))


def test_what_a_killed_save_of_an_earlier_version_left_goes_with_the_next_save(tmp_path):
    for name in ("2.orbax-checkpoint-tmp", "2.orbax-checkpoint-tmp-17"):
        (tmp_path / "checkpoints" / name / "state.orbax-checkpoint-tmp").mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "state.orbax-checkpoint-tmp" / "part").touch()
    saved(tmp_path, 1)
    assert os.listdir(tmp_path / "checkpoints") == ["1"]


def test_a_pytree_that_cannot_be_saved_is_told_by_orbax_and_hurts_no_checkpoint(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, small_state(1.0), {})
    with pytest.raises(ValueError, match="zero size"):
        checkpoints.save(2, {"a": np.zeros((0, 3))}, {})
    checkpoints.save(2, small_state(2.0), {})
    assert_same_bits(restored(tmp_path).state, small_state(2.0))


def test_what_a_failed_save_still_writes_is_not_in_the_way_of_the_next_one(tmp_path, monkeypatch):
    checkpoints, write, tried = Checkpoints(tmp_path, keep=2), write_items, []

    def fail_once(folder, *given):
        """As a thread of Orbax does that goes on after the save has failed."""
        tried.append(folder)
        if len(tried) == 1:
            raise OSError(errno.EIO, "no answer")
        tried[0].with_name(f"{tried[0].name}.orbax-checkpoint-tmp").mkdir()
        write(folder, *given)

    monkeypatch.setattr("pclhd_jax.saving.checkpoints.write_items", fail_once)
    with pytest.raises(OSError, match="no answer"):
        checkpoints.save(1, small_state(1.0), {})
    checkpoints.save(1, small_state(1.0), {})
    assert_same_bits(restored(tmp_path).state, small_state(1.0))
    checkpoints.folder.joinpath("2.new.orbax-checkpoint-tmp").mkdir()
    monkeypatch.undo()
    checkpoints.save(2, small_state(2.0), {})
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["1", "2"]


KILLS = {
    "when its folder is made": ("os.mkdir", "/checkpoints/2.new.orbax-checkpoint-tmp", 1),
    "in the middle of its files": ("os.rename", "2.new.orbax-checkpoint-tmp/state", 1),
    "before it is read back": ("os.rename", "/checkpoints/2.new", 1),
    "before its manifest is there": ("os.rename", "/2.new/manifest.json", 1),
    "before it is finished": ("os.rename", "/checkpoints/2", 1),
    "while the older one is removed": ("os.rmdir", "/checkpoints/1.removed", 2),
}


def test_a_save_that_is_killed_leaves_a_checkpoint_and_is_not_in_the_way(tmp_path):
    processes = {
        name: start("save_until_killed", tmp_path / name, event, path)
        for name, (event, path, _) in KILLS.items()
    }
    for name, process in processes.items():
        process.communicate(timeout=60)
        assert process.returncode == -9, name
        newest = KILLS[name][2]
        checkpoints = Checkpoints(tmp_path / name, keep=1)
        back = restore_newest(checkpoints, lambda _: mixed_tree(0.0), make_mesh(), set_aside=True)
        assert back.id == newest, name
        assert_same_bits(back.state, mixed_tree(newest + 0.5))
        checkpoints.save(newest + 1, mixed_tree(9.5), {})
        assert os.listdir(tmp_path / name / "checkpoints") == [str(newest + 1)]
        assert not (tmp_path / name / "damaged").exists()
