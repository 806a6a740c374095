"""RegDB as it lies on disk: ten trials of two lists, each line read with care."""

import numpy as np
import pytest

from pclhd_jax.data.datasets import regdb_test, regdb_train
from pclhd_jax.data.lists import Pictures
from tests.helpers.files import touch, write


@pytest.fixture
def regdb(tmp_path):
    for trial in (1, 10):
        for split in ("train", "test"):
            for modality in ("visible", "thermal"):
                paths = [
                    f"{modality.title()}/{100 * (split == 'test') + person}/{shot} a.bmp"
                    for person in range(3)
                    for shot in range(2)
                ]
                for path in paths:
                    touch(tmp_path / path)
                lines = [f"{path} {row // 2}\n" for row, path in enumerate(paths)]
                write(tmp_path / f"idx/{split}_{modality}_{trial}.txt", "".join(lines))
    return tmp_path


def test_regdb_lists_are_read_in_order_with_their_labels(regdb):
    train = regdb_train(regdb, trial=1)
    visible, thermal = regdb_test(regdb, trial=10)
    assert train.visible.paths[:3] == (
        "Visible/0/0 a.bmp",
        "Visible/0/1 a.bmp",
        "Visible/1/0 a.bmp",
    )
    assert thermal.paths[0] == "Thermal/100/0 a.bmp"
    for pictures, camera in [(*train[:1], 1), (*train[1:], 2), (visible, 1), (thermal, 2)]:
        assert isinstance(pictures, Pictures)
        np.testing.assert_array_equal(pictures.identities_N, [0, 0, 1, 1, 2, 2])
        np.testing.assert_array_equal(pictures.cameras_N, [camera] * 6)
    # The same labels stand for other people: no picture is in both splits.
    assert not set(train.visible.paths) & set(visible.paths)


@pytest.mark.parametrize("trial", [0, 11])
def test_a_regdb_trial_outside_one_to_ten_is_refused(regdb, trial):
    with pytest.raises(ValueError, match=f"trial is {trial}.*1 to 10"):
        regdb_train(regdb, trial=trial)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Visible/0/0 a.bmp", "line 2: .* is not 'relative/path.bmp label'"),
        ("Visible/0/0 a.bmp -1", "line 2"),
        ("17", "line 2"),
        ("../0.bmp 0", "line 2: '../0.bmp' lies outside"),
        ("Visible/../../0.bmp 0", "lies outside"),
        ("Visible\\..\\..\\0.bmp 0", "lies outside"),
        ("/etc/0.bmp 0", "lies outside"),
        ("C:\\0.bmp 0", "lies outside"),
        ("idx/train_visible_1.txt 0", "is not a picture"),
        ("Visible/0/\x1b[2J.bmp 0", r"line 2: 1 names hold control characters .*'Visible/0/\\x1b"),
        ("Visible/0/\x0b0.bmp 0", "control characters"),
        ("Visible/0/\x00.bmp 0", "zero bytes are not text"),
        ("//host/share/0.bmp 0", "lies outside"),
        ("\\\\host\\share\\0.bmp 0", "lies outside"),
    ],
)
def test_a_malformed_regdb_line_is_refused_with_its_number(regdb, line, message):
    write(regdb / "idx/train_visible_1.txt", f"Visible/0/0 a.bmp 0\n{line}\n")
    with pytest.raises(ValueError, match=message):
        regdb_train(regdb, trial=1)


def test_a_listed_name_that_no_disk_can_hold_is_missing_like_any_other(regdb):
    write(regdb / "idx/train_visible_1.txt", f"Visible/{'x' * 5000}.bmp 0\n")
    with pytest.raises(FileNotFoundError, match=r"1 are not on disk, the first is Visible/x+;"):
        regdb_train(regdb, trial=1)


def test_regdb_pictures_that_are_listed_but_missing_are_counted(regdb):
    (regdb / "Thermal/1/1 a.bmp").unlink()
    with pytest.raises(FileNotFoundError, match=r"lists 6 pictures, 1 are not.*Thermal/1/1 a\.bmp"):
        regdb_train(regdb, trial=1)
    with pytest.raises(FileNotFoundError, match=r"test_visible_5\.txt is missing"):
        regdb_test(regdb, trial=5)


def test_links_that_lie_in_the_folder_are_followed_wherever_they_lead(regdb, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("another disk")
    (regdb / "Visible").rename(elsewhere / "Visible")
    (regdb / "Visible").symlink_to(elsewhere / "Visible")
    assert len(regdb_train(regdb, trial=1).visible.paths) == 6
