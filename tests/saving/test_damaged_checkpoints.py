"""Damage is never read as if it were sound: an older checkpoint is used, or the run stops."""

import errno
import shutil
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest

from benchmarks.corruption import DAMAGES, GOOD, corruption_matrix, flipped, tiny_checkpoints
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.saving.newest import restore_newest
from pclhd_jax.using.inspection import load_state
from tests.helpers.orbax_alone import save_by_orbax
from tests.helpers.states import assert_same_bits, small_state
from tests.saving.test_checkpoints import saved

DATA = Path(__file__).parents[1] / "data"


def flip(path):
    path.write_bytes(flipped(path.read_bytes(), path.stat().st_size // 2))


def arrays_of(workdir, id):
    """The file with the most array data of a checkpoint."""
    files = (workdir / "checkpoints" / str(id) / "state").rglob("d/*")
    return max(files, key=lambda path: path.stat().st_size)


def newest(workdir, *, set_aside=False):
    said = []
    checkpoints = Checkpoints(workdir)
    back = restore_newest(
        checkpoints, lambda _: small_state(0.0), make_mesh(), said.append, set_aside=set_aside
    )
    return back, said


def listing(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("ids", [(1, 2), (2,)], ids=["with an older one", "alone"])
def test_every_file_damaged_in_every_way_is_noticed_and_named(tmp_path, ids):
    rows = corruption_matrix(lambda workdir: tiny_checkpoints(ids, workdir), tmp_path)
    assert [row for row in rows if row.outcome not in GOOD] == []
    on_disk = {str(p.relative_to(tmp_path / "checkpoints/2")) for p in files_below(tmp_path, 2)}
    assert {row.file for row in rows} == on_disk and len(rows) == len(on_disk) * len(DAMAGES)
    assert {row.outcome for row in rows} == {
        "fell back, file named" if len(ids) == 2 else "stopped, file named"
    }


def files_below(workdir, id):
    return [path for path in (workdir / "checkpoints" / str(id)).rglob("*") if path.is_file()]


@pytest.mark.parametrize("version", ["checkpoint-v1", "old_runs/paper"])
def test_every_file_of_an_earlier_versions_checkpoint_is_verified(tmp_path, version):
    def copied(workdir):
        shutil.copytree(DATA / version / "checkpoints", workdir / "checkpoints")
        restored = load_state(workdir)
        assert (workdir / "checkpoints" / str(restored.id) / "checksums").is_dir()  # as they had
        return {restored.id: restored.state}

    rows = corruption_matrix(copied, tmp_path)
    assert len(rows) > 40 and {row.outcome for row in rows} == {"stopped, file named"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # TensorStore's
def test_the_matrix_notices_what_goes_unnoticed_where_no_manifest_was_ever_written(tmp_path):
    def by_orbax(workdir):
        tree = {"weights": np.random.default_rng(0).standard_normal((64, 32))}
        save_by_orbax(workdir, 2, tree, {})
        return {2: tree}

    rows = corruption_matrix(by_orbax, tmp_path)
    silent = [row for row in rows if row.outcome == "WRONG VALUES"]
    assert silent and all("nothing verifies its arrays" in row.said for row in silent)


def test_a_manifest_that_is_not_ours_any_more_is_damage_and_names_itself(tmp_path):
    saved(tmp_path, 1)
    path = tmp_path / "checkpoints/1/manifest.json"
    whole = path.read_text()
    for content in ("", "{}", "[]", whole[:-9], whole.replace('"files"', '"file"')):
        path.write_text(content)
        with pytest.raises(DamagedCheckpoint, match=r"manifest\.json cannot be read"):
            newest(tmp_path)
    path.write_text(whole.replace("progress/metadata", "progress/metadatb"))
    with pytest.raises(DamagedCheckpoint, match="progress/metadatb is missing"):
        newest(tmp_path)


def test_the_newest_sound_checkpoint_is_used_with_a_line_for_each_that_is_not(tmp_path):
    saved(tmp_path, 1, 2, 3, 4)
    lost = arrays_of(tmp_path, 4)
    lost.unlink()
    flip(arrays_of(tmp_path, 3))
    before = listing(tmp_path)
    back, said = newest(tmp_path)
    assert back.id == 2
    assert_same_bits(back.state, small_state(2.0))
    name = lost.relative_to(tmp_path / "checkpoints/4")
    place = tmp_path / "checkpoints"
    assert said[0] == (
        f"warning: checkpoint 4 in {place} is damaged: {name} is missing; "
        "checkpoint 2 is used instead"
    )
    assert "checkpoint 3 in" in said[1] and "has other contents than manifest.json says" in said[1]
    assert listing(tmp_path) == before


@pytest.mark.parametrize("item", ["progress", "state"])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.EMFILE, "Too many open files"), MemoryError("host"), TimeoutError("nfs")],
)
def test_an_error_in_reading_what_was_verified_is_that_error_and_moves_nothing(
    tmp_path, monkeypatch, item, error
):
    saved(tmp_path, 1, 2)
    before = listing(tmp_path)
    restore = ocp.Checkpointer.restore

    def fail(orbax, folder, *, args):
        if item in args:
            raise type(error)(*error.args)
        return restore(orbax, folder, args=args)

    monkeypatch.setattr(ocp.Checkpointer, "restore", fail)
    with pytest.raises(type(error)) as caught:
        newest(tmp_path, set_aside=True)
    assert not isinstance(caught.value, DamagedCheckpoint)
    assert f"while reading {item}" in caught.value.__notes__[0]
    assert listing(tmp_path) == before
    # Without a manifest nothing vouches for the files: the same error is their damage.
    save_by_orbax(tmp_path / "theirs", 1, small_state(1.0), {})
    with pytest.raises(DamagedCheckpoint, match=f"{item} cannot be read"):
        newest(tmp_path / "theirs")


def test_a_failed_save_calls_no_checkpoint_intact_that_nothing_vouches_for(tmp_path, monkeypatch):
    saved(tmp_path / "ours", 1)
    save_by_orbax(tmp_path / "theirs", 1, small_state(1.0), {})

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ocp.Checkpointer, "save", full)
    for workdir, words in (
        ("ours", "checkpoint 1 is intact"),
        ("theirs", "no other is known to be sound"),
    ):
        with pytest.raises(OSError, match=words):
            saved(tmp_path / workdir, 2)


def test_when_all_are_damaged_it_stops_and_lists_them_and_moves_nothing(tmp_path):
    saved(tmp_path, 1, 2)
    flip(arrays_of(tmp_path, 1))
    shutil.rmtree(tmp_path / "checkpoints/2/progress")
    before = listing(tmp_path)
    with pytest.raises(DamagedCheckpoint) as caught:
        newest(tmp_path, set_aside=True)
    two, one, remedy = str(caught.value).split("\n")
    assert "checkpoint 2 in" in two and "progress/metadata is missing" in two
    assert "checkpoint 1 in" in one and arrays_of(tmp_path, 1).name in one
    assert remedy == ("restore the folder from a backup, or name another --workdir to start afresh")
    assert listing(tmp_path) == before


def test_damaged_ones_are_set_aside_so_that_their_ids_can_be_saved_again(tmp_path):
    for times in ("", "-2", "-3"):
        saved(tmp_path, *([1, 2, 3] if not times else [2, 3]))
        for id in (2, 3):
            flip(arrays_of(tmp_path, id))
        damaged = {id: listing(tmp_path / "checkpoints" / str(id)) for id in (2, 3)}
        back, said = newest(tmp_path, set_aside=True)
        assert back.id == 1
        for id, line in zip((3, 2), said, strict=True):
            moved = tmp_path / "damaged" / f"checkpoints-{id}{times}"
            assert line.endswith(f"checkpoint 1 is used instead, and {id} is now {moved}")
            assert list(listing(moved).values()) == list(damaged[id].values())
    assert len(list((tmp_path / "damaged").iterdir())) == 6
    saved(tmp_path, 2)
    assert newest(tmp_path)[0].id == 2


def test_a_damaged_checkpoint_that_is_asked_for_by_its_id_is_an_error(tmp_path):
    saved(tmp_path, 1, 2)
    flip(arrays_of(tmp_path, 2))
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(DamagedCheckpoint, match=rf"checkpoint 2 .*{arrays_of(tmp_path, 2).name}"):
        checkpoints.restore(2, lambda _: small_state(0.0), make_mesh())
    back = checkpoints.restore(1, lambda _: small_state(0.0), make_mesh())
    assert_same_bits(back.state, small_state(1.0))


def test_files_and_folders_that_are_no_checkpoints_are_harmless(tmp_path):
    saved(tmp_path, 1)
    for name in ("7.orbax-checkpoint-tmp", "notes", "1/state/notes"):
        (tmp_path / "checkpoints" / name).mkdir()
        (tmp_path / "checkpoints" / name / "file").write_text("x")
    (tmp_path / "checkpoints/9").write_text("no folder")
    back, said = newest(tmp_path)
    assert (back.id, said) == (1, [])


def test_a_lack_of_rights_is_no_damage(tmp_path, monkeypatch):
    saved(tmp_path, 1, 2)

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError):
        newest(tmp_path)
