"""Reads LLCM as it lies on disk: listed training pictures, camera folders for the test."""

import os
from pathlib import PurePosixPath

from pclhd_jax.data.lists import (
    Pictures,
    TrainSet,
    camera_folders,
    make_pictures,
    read_identities,
    read_labelled,
)

VISIBLE_CAMERAS = (1, 2, 3, 4, 5, 6, 7, 8, 9)
INFRARED_CAMERAS = (1, 2, 4, 5, 6, 7, 8, 9)  # camera 3 has no infrared pictures
CONTENT = "idx/, vis/, nir/, test_vis/ and test_nir/"
CAMERA_AT = 7  # of the file name, from 0: 0001_c04_s185535_f7010_nir.jpg is of camera 4


def llcm_train(root: str | os.PathLike) -> TrainSet:
    """LLCM training pictures, in the order of idx/train_vis.txt and idx/train_nir.txt.

    Identities are the labels of the lists, cameras (1..9) the digit in the file names: one number
    is one place, in both modalities. The full set has 713 identities, 16,946 visible and 13,975
    near-infrared pictures. Raises FileNotFoundError (root, list or listed picture missing),
    ValueError (a malformed line or file name). Source: Zhang & Wang, CVPR 2023.
    """
    return TrainSet(_listed(root, "idx/train_vis.txt"), _listed(root, "idx/train_nir.txt"))


def llcm_test(root: str | os.PathLike) -> tuple[Pictures, Pictures]:
    """LLCM test pictures (visible, near-infrared) of the identities of idx/test_id.txt.

    Read from `test_vis/cam{n}/{id:04d}/` and `test_nir/cam{n}/{id:04d}/`, whose numbers are camera
    and identity; order: identity, camera, file name, which the draws of the galleries rest on.
    The full set has 351 test identities. Raises FileNotFoundError (root or idx/test_id.txt
    missing), ValueError (the file malformed, or no picture of a modality).
    """
    ids = read_identities(root, "idx/test_id.txt", "LLCM", CONTENT)
    return (
        _test_pictures(root, ids, "test_vis", VISIBLE_CAMERAS),
        _test_pictures(root, ids, "test_nir", INFRARED_CAMERAS),
    )


def _listed(root: str | os.PathLike, name: str) -> Pictures:
    rows = read_labelled(root, name, "LLCM", CONTENT)
    return make_pictures(root, [(path, label, _camera(path, name)) for path, label in rows])


def _camera(path: str, list_name: str) -> int:
    name = PurePosixPath(path).name
    digit = name[CAMERA_AT : CAMERA_AT + 1]
    if not (digit.isascii() and digit.isdigit() and int(digit) in VISIBLE_CAMERAS):
        raise ValueError(
            f"LLCM {list_name}: {path!r} names no camera; character {CAMERA_AT + 1} of the file "
            "name must be its digit, 1 to 9, as in 0001_c04_s185535_f7010_nir.jpg: restore the "
            "file names of the data set"
        )
    return int(digit)


def _test_pictures(
    root: str | os.PathLike, ids: list[int], folder: str, cameras: tuple[int, ...]
) -> Pictures:
    rows = camera_folders(root, ids, {camera: f"{folder}/cam{camera}" for camera in cameras})
    if not rows:
        raise ValueError(
            f"LLCM test: no picture for any of {len(ids):,} identities in {folder}/ under {root}; "
            f"unpack the data set so that {folder}/cam1/0001/ lies below this folder"
        )
    return make_pictures(root, rows)
