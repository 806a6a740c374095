"""LLCM: people by night in nine cameras; listed training pictures, camera folders for the test."""

import os
from pathlib import PurePosixPath

from pclhd_jax.data.galleries import draw_llcm_gallery
from pclhd_jax.data.layout import About, Count, Key, Layout, Scoring
from pclhd_jax.data.lists import (
    Pictures,
    TrainSet,
    make_pictures,
    read_identities,
    read_labelled,
)
from pclhd_jax.data.protocol import Protocol, TestSet, Trials, both_ways, check_trials
from pclhd_jax.data.walk import camera_folders

VISIBLE_CAMERAS = (1, 2, 3, 4, 5, 6, 7, 8, 9)
INFRARED_CAMERAS = (1, 2, 4, 5, 6, 7, 8, 9)  # camera 3 has no infrared pictures
CONTENT = "idx/, vis/, nir/, test_vis/ and test_nir/"
CAMERA_AT = 7  # of the file name, from 0: 0001_c04_s185535_f7010_nir.jpg is of camera 4

# Zhang and Wang, CVPR 2023.
EXPECTED: dict[Key, Count] = {
    ("train", "visible", None): Count(713, 16_946),
    ("train", "infrared", None): Count(713, 13_975),
    ("test", "visible", None): Count(351, None),
    ("test", "infrared", None): Count(351, None),
}


def llcm_train(root: str | os.PathLike) -> TrainSet:
    """LLCM training pictures, in the order of idx/train_vis.txt and idx/train_nir.txt.

    Identities are the labels of the lists, cameras (1..9) the digit in the file names: one number
    is one place, in both modalities. The full set has 713 identities, 16,946 visible and 13,975
    near-infrared pictures. Raises FileNotFoundError (root, list or listed picture missing),
    ValueError (a malformed line or file name). Source: Zhang & Wang, CVPR 2023.
    """
    return TrainSet(_listed(root, "idx/train_vis.txt"), _listed(root, "idx/train_nir.txt"))


def llcm_test(root: str | os.PathLike) -> TestSet:
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


def llcm_protocols(test: TestSet, *, num_trials: int = 10) -> list[Protocol]:
    """LLCM: near-infrared queries on visible galleries, then the reverse.

    test: as `llcm_test` returns it. Every picture of one modality queries galleries of one picture
    per identity and camera of the other, trials 0..num_trials-1. (The set's own program swaps the
    roles in the direction it calls visible to infrared; this is the plain protocol.)
    Raises ValueError for no trial.
    """
    check_trials(num_trials)

    def trials(gallery: Pictures) -> Trials:
        return tuple(draw_llcm_gallery(gallery, trial=trial) for trial in range(num_trials))

    return both_ways(test, "llcm", "llcm {}", "infrared", trials)[::-1]


def _read(root: str, trial: int, camera_pattern: str) -> tuple[TrainSet, TestSet]:
    return llcm_train(root), llcm_test(root)


def _protocols(test: TestSet, scoring: Scoring) -> list[Protocol]:
    return llcm_protocols(test, num_trials=scoring.num_trials)


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


LAYOUT = Layout(
    title="LLCM",
    folder="llcm",
    read=_read,
    protocols=_protocols,
    about=About(
        description="LLCM: people in nine cameras, visible and near-infrared, by night. As it "
        "lies.",
        manual="Send the authors the signed agreement (see the homepage) and unpack the set so "
        "that manual_dir holds idx/, the training folders, test_vis/ and test_nir/.",
        homepage="https://github.com/ZYK100/LLCM",
        citation="Zhang and Wang, Diverse Embedding Expansion Network and Low-Light Cross-Modality "
        "Benchmark for Visible-Infrared Person Re-identification, CVPR 2023",
    ),
    expected=EXPECTED,
    picture_lists="idx/train_*.txt",
    modality_folders={
        "vis": "visible",
        "test_vis": "visible",
        "nir": "infrared",
        "test_nir": "infrared",
    },
    mark="idx",
    identity_lists={"idx/test_id.txt": "test"},
)
