"""LLCM as it lies on disk: listed training pictures, camera folders for the test."""

import pytest

from pclhd_jax.data.datasets import llcm_test, llcm_train
from tests.helpers.files import touch, write

# (modality, camera, identity) -> number of test pictures; camera 3 has no infrared pictures.
LLCM_TEST = {
    **{("vis", 1, 12): 3, ("vis", 3, 12): 2, ("vis", 9, 12): 1, ("vis", 2, 4): 4},
    **{("nir", 1, 12): 2, ("nir", 9, 12): 1, ("nir", 2, 4): 2, ("nir", 4, 4): 1},
}


@pytest.fixture
def llcm(tmp_path):
    for (modality, camera, person), count in LLCM_TEST.items():
        for n in range(count):
            name = f"{person:04d}_c{camera:02d}_s18{n:04d}_f1_{modality}.jpg"
            touch(tmp_path / f"test_{modality}/cam{camera}/{person:04d}/{name}")
    touch(tmp_path / "test_vis/cam1/0007/0007_c01_s1_f1_vis.jpg")  # not a test identity
    write(tmp_path / "idx/test_id.txt", "12,4,55\n")
    for modality in ("vis", "nir"):
        # The person's number and the shot's look like cameras too; only character 7 is one.
        names = [(1, f"0051_c08_s185535_f7010_{modality}.jpg"), (0, "0002_c04_s1_f3.jpg")]
        paths = [(label, f"{modality}/{name[:4]}/{name}") for label, name in names]
        for _, path in paths:
            touch(tmp_path / path)
        lines = [f"{path} {label}\n" for label, path in paths]
        write(tmp_path / f"idx/train_{modality}.txt", "".join(lines))
    return tmp_path


def test_llcm_training_takes_the_lists_in_order_and_the_camera_from_the_file_name(llcm):
    train = llcm_train(llcm)
    for pictures, modality in zip(train, ("vis", "nir"), strict=True):
        assert pictures.paths == (
            f"{modality}/0051/0051_c08_s185535_f7010_{modality}.jpg",
            f"{modality}/0002/0002_c04_s1_f3.jpg",
        )
        assert pictures.identities_N.tolist() == [1, 0]
        assert pictures.cameras_N.tolist() == [8, 4]


def test_llcm_test_pictures_are_the_camera_folders_of_the_test_identities(llcm):
    for pictures, modality in zip(llcm_test(llcm), ("vis", "nir"), strict=True):
        counts = {}
        rows = zip(pictures.cameras_N.tolist(), pictures.identities_N.tolist(), strict=True)
        for path, (camera, person) in zip(pictures.paths, rows, strict=True):
            assert path.startswith(f"test_{modality}/cam{camera}/{person:04d}/")
            assert (llcm / path).is_file()
            counts[modality, camera, person] = counts.get((modality, camera, person), 0) + 1
        assert counts == {key: n for key, n in LLCM_TEST.items() if key[0] == modality}


@pytest.mark.parametrize("name", ["0002_cam4.jpg", "0002_c00_s1.jpg", "2_c04.jpg"])
def test_an_llcm_file_name_without_a_camera_is_refused(llcm, name):
    touch(llcm / "vis" / name)
    write(llcm / "idx/train_vis.txt", f"vis/{name} 0\n")
    with pytest.raises(ValueError, match=r"names no camera; character 8"):
        llcm_train(llcm)


def test_missing_parts_of_llcm_are_named(llcm):
    write(llcm / "idx/test_id.txt", "55")
    with pytest.raises(ValueError, match=r"no picture for any of 1 identities in test_vis/"):
        llcm_test(llcm)
    (llcm / "nir/0002/0002_c04_s1_f3.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"train_nir\.txt lists 2 pictures, 1 are not"):
        llcm_train(llcm)
    (llcm / "idx/train_vis.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"LLCM: split file .*train_vis\.txt is missing"):
        llcm_train(llcm)
