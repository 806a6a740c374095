"""Damage is never read as if it were sound: an older checkpoint is used, or the run stops."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.corruption import DAMAGES, GOOD, corruption_matrix, flipped, tiny_checkpoints
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.failed_save import last_intact
from pclhd_jax.saving.integrity import DamagedCheckpoint, leaf_digests, sealed, unsealed
from pclhd_jax.saving.newest import restore_newest
from tests.helpers.states import assert_same_bits, small_state
from tests.saving.test_checkpoints import saved


def flip(path):
    path.write_bytes(flipped(path.read_bytes(), path.stat().st_size // 2))


def arrays_of(workdir, id):
    """The file with the most array data of a checkpoint."""
    files = (workdir / "checkpoints" / str(id) / "state").rglob("d/*")
    return max(files, key=lambda path: path.stat().st_size)


def newest(workdir, *, set_aside=False):
    said = []
    with Checkpoints(workdir) as checkpoints:
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
    # Only the list of the files' digests may go: the leaves have digests of their own.
    assert {row.file for row in rows if row.outcome == "exact"} == {"manifest.json"}
    other = "fell back, file named" if len(ids) == 2 else "stopped, file named"
    assert {row.outcome for row in rows if row.file != "manifest.json"} == {other}


def files_below(workdir, id):
    return [path for path in (workdir / "checkpoints" / str(id)).rglob("*") if path.is_file()]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # TensorStore's
def test_without_a_manifest_the_checksums_of_the_leaves_decide(tmp_path):
    def without_manifest(workdir):
        trees = tiny_checkpoints((1, 2), workdir)
        (workdir / "checkpoints/2/manifest.json").unlink()
        return trees

    damages = {f"byte {n}/6": lambda c, n=n: flipped(c, len(c) * n // 6) for n in range(6)}
    rows = corruption_matrix(without_manifest, tmp_path, damages=damages)
    wrong = {"WRONG VALUES", "STARTED AFRESH"}
    assert not [r for r in rows if r.outcome in wrong or r.outcome.startswith("raw")]
    assert any("leaf weights has other values than were saved" in row.said for row in rows)
    assert any("progress" in row.said for row in rows if row.file == "progress/metadata")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # TensorStore's
def test_the_matrix_itself_notices_what_goes_unnoticed(tmp_path, monkeypatch):
    monkeypatch.setattr("pclhd_jax.saving.checkpoints.check_files", lambda path: True)
    monkeypatch.setattr("pclhd_jax.saving.checkpoints.check_leaves", lambda *_: None)
    rows = corruption_matrix(lambda workdir: tiny_checkpoints((1, 2), workdir), tmp_path)
    outcomes = {row.outcome for row in rows}
    assert "WRONG VALUES" in outcomes and any(o.startswith("raw") for o in outcomes)


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
    assert "checkpoint 3 in" in said[1] and "has other contents than were written" in said[1]
    assert listing(tmp_path) == before


@pytest.mark.parametrize("item", ["progress", "checksums", "state"])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.EMFILE, "Too many open files"), MemoryError("host"), TimeoutError("nfs")],
)
def test_an_error_in_reading_what_was_verified_is_that_error_and_moves_nothing(
    tmp_path, monkeypatch, item, error
):
    saved(tmp_path, 1, 2)
    before = listing(tmp_path)
    real_read = Checkpoints._read

    def read(self, id, **args):
        if item in args:
            raise type(error)(*error.args)
        return real_read(self, id, **args)

    monkeypatch.setattr(Checkpoints, "_read", read)
    with pytest.raises(type(error)) as caught:
        newest(tmp_path, set_aside=True)
    assert not isinstance(caught.value, DamagedCheckpoint)
    assert f"while reading {item}" in caught.value.__notes__[0]
    assert listing(tmp_path) == before
    # Without the manifest nothing vouches for the files: the same error is their damage.
    for id in (1, 2):
        (tmp_path / f"checkpoints/{id}/manifest.json").unlink()
    with pytest.raises(DamagedCheckpoint, match=f"{item} cannot be read"):
        newest(tmp_path)


def test_a_checkpoint_without_a_manifest_is_not_called_intact(tmp_path, monkeypatch):
    saved(tmp_path, 1)
    folder = tmp_path / "checkpoints"
    assert last_intact(folder) == "checkpoint 1 is intact"
    (folder / "1/manifest.json").unlink()
    assert last_intact(folder) == "no other is known to be sound"


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
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(
            DamagedCheckpoint, match=rf"checkpoint 2 .*{arrays_of(tmp_path, 2).name}"
        ):
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


def test_a_digest_covers_type_shape_and_bytes():
    x = np.arange(6, dtype=np.int32)
    digests = [
        leaf_digests({"a": a})["a"][2]
        for a in (x, x.reshape(2, 3), x.view(np.uint32), x[::-1], np.float32(0), np.int32(0))
    ]
    assert len(set(digests)) == len(digests)
    column_major = np.asfortranarray(x.reshape(2, 3))
    assert leaf_digests({"a": column_major})["a"][2] == digests[1]


def test_a_sealed_record_that_was_changed_is_refused():
    record = {"files": {"a": [1, "x"]}}
    kept = json.loads(json.dumps(sealed(record)))
    assert unsealed(kept) == record
    kept["files"]["a"][0] = 2
    for broken in (kept, record, [], "text"):
        with pytest.raises(ValueError):
            unsealed(broken)
