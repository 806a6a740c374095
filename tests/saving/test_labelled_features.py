"""What an epoch leaves behind, and what damage looks like."""

import io

import numpy as np
import pytest

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.saving.labelled_features import SavedEpoch, load_epoch, save_epoch


def epoch_of(epochs_done, *, stage=1, seed=0):
    rng = np.random.default_rng([seed, epochs_done])
    labels = EpochLabels(np.array([0, 1, -1], np.int32), np.array([1, 0], np.int32))
    if stage == 2:
        labels = labels._replace(
            visible_to_infrared_K=np.array([1, 0], np.int32),
            infrared_to_visible_K=np.array([1, 0], np.int32),
        )
    return SavedEpoch(
        rng.normal(size=(3, 4)).astype(np.float32),
        rng.normal(size=(2, 4)).astype(np.float32),
        labels,
        np.array([7, 8, -1]),
        np.array([8, 7]),
        stage,
        epochs_done - 1,
        epochs_done,
    )


def names(workdir):
    return sorted(path.name for path in (workdir / "features").iterdir())


def assert_same(one, other):
    for name, value in one._asdict().items():
        if name == "labels":
            assert_same(value, other.labels)
        elif value is None:
            assert getattr(other, name) is None
        else:
            np.testing.assert_array_equal(value, getattr(other, name))
            assert np.asarray(value).dtype == np.asarray(getattr(other, name)).dtype


@pytest.mark.parametrize("stage", [1, 2])
def test_an_epoch_comes_back_as_it_was_with_absent_labels_absent(tmp_path, stage):
    saved = epoch_of(12, stage=stage)
    save_epoch(tmp_path, saved, keep=1)
    assert_same(saved, load_epoch(tmp_path))
    # Plain NumPy reads it, without unpickling anything.
    with np.load(tmp_path / "features" / "epoch-0012.npz", allow_pickle=False) as arrays:
        assert ("labels_visible_to_infrared_K" in arrays) == (stage == 2)
        assert "labels_joint_visible_N" not in arrays
        np.testing.assert_array_equal(arrays["visible_ND"], saved.visible_ND)


def test_only_the_newest_epochs_stay(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "epoch-of-mine.npz").write_text("not ours: left alone")
    for epochs_done in (1, 2, 3, 4):
        save_epoch(tmp_path, epoch_of(epochs_done), keep=2)
    assert names(tmp_path) == ["epoch-0003.npz", "epoch-0004.npz", "epoch-of-mine.npz"]
    assert load_epoch(tmp_path).epochs_done == 4
    assert_same(load_epoch(tmp_path, 3), epoch_of(3))


def test_a_run_started_over_removes_the_later_epochs_of_the_one_before(tmp_path):
    save_epoch(tmp_path, epoch_of(28), keep=1)
    save_epoch(tmp_path, epoch_of(1), keep=1)
    assert names(tmp_path) == ["epoch-0001.npz"]


def test_keeping_none_writes_nothing(tmp_path):
    save_epoch(tmp_path, epoch_of(1), keep=0)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    save_epoch(tmp_path, epoch_of(5, seed=0), keep=1)

    def killed(file, **arrays):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    for epochs_done in (5, 6):
        with pytest.raises(KeyboardInterrupt):
            save_epoch(tmp_path, epoch_of(epochs_done, seed=1), keep=1)
    assert_same(load_epoch(tmp_path), epoch_of(5, seed=0))


def test_an_epoch_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train first.*config\.keep_features"):
        load_epoch(tmp_path)
    for epochs_done in (8, 9):
        save_epoch(tmp_path, epoch_of(epochs_done), keep=2)
    with pytest.raises(FileNotFoundError, match=r"epoch 7 .* epoch 8, 9.*config\.keep_features"):
        load_epoch(tmp_path, 7)


def truncated(content):
    return content[: len(content) // 2]


def flipped(content):
    at = content.index(epoch_of(3).visible_ND.tobytes()) + 5  # in the midst of the features
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def of_other_arrays(content):
    file = io.BytesIO()
    np.savez(file, visible_ND=np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "damage", [truncated, flipped, of_other_arrays, lambda content: b"", lambda content: b"text"]
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, damage):
    save_epoch(tmp_path, epoch_of(3), keep=1)
    path = tmp_path / "features" / "epoch-0003.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"epoch-0003\.npz is damaged .*remove it"):
        load_epoch(tmp_path)
