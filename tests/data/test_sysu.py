"""SYSU-MM01 as it lies on disk, the community's galleries, and errors that say what to do."""

import os
import random

import numpy as np
import pytest

from pclhd_jax.data.datasets import sysu_gallery, sysu_test, sysu_train
from pclhd_jax.data.galleries import draw_gallery
from tests.helpers.files import touch, write

# (camera, identity) -> number of pictures. Not every camera saw everyone.
SYSU_COUNTS = {
    **{(camera, identity): 3 for camera in (1, 2, 4, 5) for identity in (2, 9)},
    **{(camera, identity): 2 for camera in (3, 6) for identity in (2, 9)},
    **{(1, 7): 12, (2, 7): 5, (5, 7): 4, (3, 7): 6, (4, 31): 11, (6, 31): 2},
    **{(1, 110): 7, (2, 110): 1, (4, 110): 3, (6, 110): 9, (2, 23): 4, (3, 23): 1},
}
TEST_IDS = (110, 7, 31, 23, 55)  # 55 has no folder in any camera


@pytest.fixture
def sysu(tmp_path):
    for (camera, identity), count in SYSU_COUNTS.items():
        for number in range(1, count + 1):
            touch(tmp_path / f"cam{camera}/{identity:04d}/{number:04d}.jpg")
    write(tmp_path / "exp/train_id.txt", "9\n")
    write(tmp_path / "exp/val_id.txt", "2")
    write(tmp_path / "exp/test_id.txt", ",".join(map(str, TEST_IDS)) + "\r\n")
    return tmp_path


def naive_gallery(root, mode, trial):
    """The sampling of published SYSU-MM01 scores, told with the global random module."""
    random.seed(trial)
    chosen = []
    for person in sorted(f"{identity:04d}" for identity in TEST_IDS):
        for camera in ["cam1", "cam2", "cam4", "cam5"] if mode == "all" else ["cam1", "cam2"]:
            folder = os.path.join(root, camera, person)
            if os.path.isdir(folder):
                chosen.append(random.choice(sorted(os.listdir(folder))))
                chosen[-1] = f"{camera}/{person}/{chosen[-1]}"
    return chosen


def test_training_takes_the_identities_of_train_and_val_from_each_modality(sysu):
    train = sysu_train(sysu)
    assert len(train.visible.paths) == 24 and len(train.infrared.paths) == 8
    assert set(train.visible.identities_N) == {2, 9} == set(train.infrared.identities_N)
    assert set(train.visible.cameras_N) == {1, 2, 4, 5} and set(train.infrared.cameras_N) == {3, 6}
    assert train.visible.paths[:4] == tuple(
        f"cam{c}/0002/{n:04d}.jpg" for c, n in [(1, 1), (1, 2), (1, 3), (2, 1)]
    )
    assert train.visible.identities_N.dtype == np.int32 == train.visible.cameras_N.dtype


def test_the_test_split_holds_every_picture_and_an_identity_without_folder_is_fine(sysu):
    visible, infrared = sysu_test(sysu)
    for pictures, cameras in ((visible, (1, 2, 4, 5)), (infrared, (3, 6))):
        rows = zip(pictures.cameras_N.tolist(), pictures.identities_N.tolist(), strict=True)
        counts = {}
        for path, row in zip(pictures.paths, rows, strict=True):
            assert path.startswith(f"cam{row[0]}/{row[1]:04d}/")
            assert (sysu / path).is_file()
            counts[row] = counts.get(row, 0) + 1
        expected = {
            key: n for key, n in SYSU_COUNTS.items() if key[0] in cameras and key[1] in TEST_IDS
        }
        assert counts == expected


@pytest.mark.parametrize("mode", ["all", "indoor"])
def test_single_shot_galleries_are_those_of_published_scores(sysu, mode):
    galleries = [sysu_gallery(sysu, mode=mode, trial=trial) for trial in range(10)]
    assert galleries == [naive_gallery(sysu, mode, trial) for trial in range(10)]
    assert len({tuple(gallery) for gallery in galleries}) > 1


def test_drawing_a_gallery_leaves_the_global_random_state_alone(sysu):
    random.seed(5)
    expected = random.random()
    random.seed(5)
    sysu_gallery(sysu, mode="all", trial=3)
    assert random.random() == expected


def test_a_numpy_trial_number_is_the_same_seed(sysu):
    assert sysu_gallery(sysu, mode="all", trial=np.int64(4)) == sysu_gallery(
        sysu, mode="all", trial=4
    )


def test_multi_shot_takes_ten_distinct_pictures_per_folder_or_all_there_are(sysu):
    gallery = sysu_gallery(sysu, mode="all", trial=0, shots=10)
    assert len(set(gallery)) == len(gallery)
    counts = {}
    for path in gallery:
        folder = path.rsplit("/", 1)[0]
        counts[folder] = counts.get(folder, 0) + 1
    assert counts == {
        f"cam{camera}/{identity:04d}": min(10, n)
        for (camera, identity), n in SYSU_COUNTS.items()
        if camera in (1, 2, 4, 5) and identity in TEST_IDS
    }
    assert gallery == sysu_gallery(sysu, mode="all", trial=0, shots=10)
    assert gallery != sysu_gallery(sysu, mode="all", trial=1, shots=10)


def test_only_picture_files_count_in_any_letter_case_sorted_by_name(sysu):
    folder = sysu / "cam2/0023"
    for name in ("b.PNG", "A.JpEg", "c.bmp", "Thumbs.db", "._0001.jpg", "notes.txt"):
        touch(folder / name)
    (folder / "folder.jpg").mkdir()
    visible, _ = sysu_test(sysu)
    names = [path.split("/")[-1] for path in visible.paths if path.startswith("cam2/0023/")]
    assert names == ["0001.jpg", "0002.jpg", "0003.jpg", "0004.jpg", "A.JpEg", "b.PNG", "c.bmp"]


def test_taking_a_subset_keeps_order_and_rows_together(sysu):
    visible, _ = sysu_test(sysu)
    subset = visible.take(np.array([5, 0, 5]))
    assert subset.paths == (visible.paths[5], visible.paths[0], visible.paths[5])
    np.testing.assert_array_equal(subset.identities_N, visible.identities_N[[5, 0, 5]])
    np.testing.assert_array_equal(subset.cameras_N, visible.cameras_N[[5, 0, 5]])
    assert visible.take(np.array([])).paths == ()


def test_an_unknown_search_mode_is_refused_with_both_names(sysu):
    with pytest.raises(ValueError, match=r"'outdoor'.*'all' or 'indoor'"):
        sysu_gallery(sysu, mode="outdoor", trial=0)


def test_a_gallery_of_no_pictures_or_no_shots_is_refused(sysu):
    visible, _ = sysu_test(sysu)
    outdoor = visible.take(np.flatnonzero(visible.cameras_N > 2))
    with pytest.raises(ValueError, match=r"'indoor' gallery is empty.*cameras 1, 2"):
        draw_gallery(outdoor, mode="indoor", trial=0)
    with pytest.raises(ValueError, match="shots is 0"):
        sysu_gallery(sysu, mode="all", trial=0, shots=0)


def test_a_missing_root_or_split_file_is_named(sysu):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*cam1/ to cam6/"):
        sysu_train(sysu / "nowhere")
    (sysu / "exp/val_id.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"val_id\.txt is missing.*restore"):
        sysu_train(sysu)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n7,x3,9\n", r"test_id\.txt, line 2: 'x3'"),
        ("7,,9", "line 1: ''"),
        ("7,-9", "line 1: '-9'"),
        ("7,12345", "line 1: '12345'"),
        ("7,9\n23\n", "line 2: a second line"),
        ("7,9,7", "identity 7 is listed twice"),
        (" \n\n", "is empty"),
    ],
)
def test_a_malformed_identity_file_is_refused_with_its_line(sysu, text, message):
    write(sysu / "exp/test_id.txt", text)
    with pytest.raises(ValueError, match=message):
        sysu_test(sysu)


def test_a_split_without_any_picture_is_refused(sysu):
    write(sysu / "exp/test_id.txt", "55,56")
    with pytest.raises(ValueError, match=r"SYSU-MM01 test: no picture for any of 2 identities"):
        sysu_test(sysu)


@pytest.mark.parametrize("path", ["cam4", "cam4/0110", "cam1/0110/0001.jpg"])
def test_a_broken_link_is_named_and_its_pictures_are_not_passed_over(sysu, path):
    (sysu / path).rename(sysu / "away")
    (sysu / path).symlink_to(sysu / "nowhere")
    with pytest.raises(ValueError, match=f"{path} is a broken link; remove it, or restore"):
        sysu_test(sysu)


@pytest.mark.parametrize("name", [b"a\nb.jpg", b"\xff\xfe.jpg", b"\x1b]0;title\x07.jpg"])
def test_a_file_name_that_cannot_be_shown_is_refused(sysu, name):
    place = os.fsencode(sysu / "cam2/0023") + b"/" + name
    with open(place, "wb"):
        pass
    with pytest.raises(ValueError, match=r"1 names hold control characters or are not UTF-8.*ren"):
        sysu_test(sysu)


def test_any_other_name_is_taken(sysu):
    names = ["照片.jpg", "a b.jpg", "é\u0301.jpg", "~$x;`id`&.jpg", f"{'x' * 251}.jpg"]
    for name in names:
        touch(sysu / "cam2/0023" / name)
    paths = sysu_test(sysu)[0].paths
    assert {f"cam2/0023/{name}" for name in names} <= set(paths)


def test_what_is_no_file_is_passed_over_and_never_opened(sysu):
    before = sysu_test(sysu)[0].paths
    os.mkfifo(sysu / "cam2/0023/pipe.jpg")  # opening it would wait for ever
    (sysu / "cam2/0023/zero.jpg").symlink_to("/dev/zero")
    assert sysu_test(sysu)[0].paths == before


def test_links_that_lie_in_the_folder_are_followed_wherever_they_lead(sysu, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("another disk")
    before = sysu_test(sysu)[0].paths
    (sysu / "cam4").rename(elsewhere / "cam4")
    (sysu / "cam4").symlink_to(elsewhere / "cam4")
    (sysu / "cam1/0110/0001.jpg").rename(elsewhere / "one.jpg")
    (sysu / "cam1/0110/0001.jpg").symlink_to(elsewhere / "one.jpg")
    assert sysu_test(sysu)[0].paths == before
