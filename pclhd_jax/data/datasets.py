"""Reads the original layouts as they are: SYSU-MM01 and RegDB here, LLCM and folders next door."""

import os

from pclhd_jax.data.folders import folders_test, folders_train
from pclhd_jax.data.galleries import draw_gallery, sysu_gallery_cameras
from pclhd_jax.data.lists import (
    PICTURE_SUFFIXES,
    Pictures,
    TrainSet,
    camera_folders,
    make_pictures,
    read_identities,
    read_labelled,
)
from pclhd_jax.data.llcm import llcm_test, llcm_train

__all__ = [
    "PICTURE_SUFFIXES",
    "Pictures",
    "TrainSet",
    "draw_gallery",
    "folders_test",
    "folders_train",
    "llcm_test",
    "llcm_train",
    "regdb_test",
    "regdb_train",
    "sysu_gallery",
    "sysu_test",
    "sysu_train",
]

SYSU_VISIBLE_CAMERAS = (1, 2, 4, 5)
SYSU_INFRARED_CAMERAS = (3, 6)
SYSU_CONTENT = "exp/ and cam1/ to cam6/"
REGDB_VISIBLE_CAMERA, REGDB_THERMAL_CAMERA = 1, 2
REGDB_TRIALS = range(1, 11)
REGDB_CONTENT = "idx/, Visible/ and Thermal/"


def sysu_train(root: str | os.PathLike) -> TrainSet:
    """SYSU-MM01 training pictures: identities of exp/train_id.txt and exp/val_id.txt together.

    Order: identity, camera, file name. Identities are the folder numbers, not relabelled.
    The full set has 395 identities, 22,258 visible and 11,909 infrared pictures.
    Raises FileNotFoundError (root or split file missing), ValueError (split file malformed, or no
    picture). Source: Wu et al., ICCV 2017, and the set's own exp/ folder.
    """
    ids = sorted(set(_sysu_ids(root, "train")) | set(_sysu_ids(root, "val")))
    return TrainSet(
        _sysu_pictures(root, ids, SYSU_VISIBLE_CAMERAS, "train + val"),
        _sysu_pictures(root, ids, SYSU_INFRARED_CAMERAS, "train + val"),
    )


def sysu_test(root: str | os.PathLike) -> tuple[Pictures, Pictures]:
    """SYSU-MM01 test pictures (visible of cameras 1, 2, 4, 5; infrared of cameras 3, 6).

    The full set has 6,775 and 3,803. Order and errors as in `sysu_train`.
    """
    ids = _sysu_ids(root, "test")
    return (
        _sysu_pictures(root, ids, SYSU_VISIBLE_CAMERAS, "test"),
        _sysu_pictures(root, ids, SYSU_INFRARED_CAMERAS, "test"),
    )


def sysu_gallery(root: str | os.PathLike, *, mode: str, trial: int, shots: int = 1) -> list[str]:
    """Gallery of one SYSU-MM01 trial: paths relative to root, in order.

    mode: 'all' (cameras 1, 2, 4, 5) or 'indoor' (1, 2); trial: the seed, 0..9 in published scores;
    shots: pictures per identity and camera, see `draw_gallery`. Errors as in `sysu_train`, and
    ValueError for another mode or for shots below 1.
    """
    sysu_gallery_cameras(mode)
    visible = _sysu_pictures(root, _sysu_ids(root, "test"), SYSU_VISIBLE_CAMERAS, "test")
    return [visible.paths[i] for i in draw_gallery(visible, mode=mode, trial=trial, shots=shots)]


def regdb_train(root: str | os.PathLike, *, trial: int) -> TrainSet:
    """RegDB training pictures of split `trial` (1..10), in the order of the idx files.

    The full set has 206 identities and 2,060 pictures of each modality. Labels run from 0 to 205 in
    the training AND in the test files, for other people: never compare one with the other.
    Cameras: visible 1, thermal 2. Raises FileNotFoundError (root, idx file or listed picture
    missing), ValueError (trial, or a malformed line). Source: Nguyen et al., Sensors 2017.
    """
    return TrainSet(*_regdb_split(root, "train", trial))


def regdb_test(root: str | os.PathLike, *, trial: int) -> tuple[Pictures, Pictures]:
    """RegDB test pictures (visible, thermal) of split `trial`; order and errors: `regdb_train`."""
    return _regdb_split(root, "test", trial)


def _sysu_ids(root: str | os.PathLike, split: str) -> list[int]:
    return read_identities(root, f"exp/{split}_id.txt", "SYSU-MM01", SYSU_CONTENT)


def _sysu_pictures(
    root: str | os.PathLike, ids: list[int], cameras: tuple[int, ...], split: str
) -> Pictures:
    rows = camera_folders(root, ids, {camera: f"cam{camera}" for camera in cameras})
    if not rows:
        raise ValueError(
            f"SYSU-MM01 {split}: no picture for any of {len(ids):,} identities in cameras "
            f"{', '.join(map(str, cameras))} under {root}; unpack the data set so that "
            "cam1/0001/0001.jpg lies below this folder"
        )
    return make_pictures(root, rows)


def _regdb_split(root: str | os.PathLike, split: str, trial: int) -> tuple[Pictures, Pictures]:
    if trial not in REGDB_TRIALS:
        raise ValueError(f"RegDB trial is {trial}; the splits on disk are 1 to 10")
    return (
        _regdb_list(root, f"idx/{split}_visible_{trial}.txt", REGDB_VISIBLE_CAMERA),
        _regdb_list(root, f"idx/{split}_thermal_{trial}.txt", REGDB_THERMAL_CAMERA),
    )


def _regdb_list(root: str | os.PathLike, name: str, camera: int) -> Pictures:
    rows = read_labelled(root, name, "RegDB", REGDB_CONTENT)
    return make_pictures(root, [(path, label, camera) for path, label in rows])
