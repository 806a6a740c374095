"""SYSU-MM01: people in four visible and two infrared cameras, in folders by camera and identity."""

import os
from collections.abc import Sequence

from pclhd_jax.data.galleries import draw_gallery, sysu_gallery_cameras
from pclhd_jax.data.layout import About, Count, Key, Layout, Scoring
from pclhd_jax.data.lists import (
    Pictures,
    TrainSet,
    make_pictures,
    read_identities,
)
from pclhd_jax.data.protocol import Protocol, TestSet, check_trials
from pclhd_jax.data.walk import camera_folders

VISIBLE_CAMERAS = (1, 2, 4, 5)
INFRARED_CAMERAS = (3, 6)
CONTENT = "exp/ and cam1/ to cam6/"

# Wu et al., ICCV 2017 (identities, cameras); the picture counts are those of the files the authors
# hand out, which every published score on the set rests on.
EXPECTED: dict[Key, Count] = {
    ("train", "visible", None): Count(296, 20_284),
    ("train", "infrared", None): Count(296, 9_929),
    ("val", "visible", None): Count(99, 1_974),
    ("val", "infrared", None): Count(99, 1_980),
    ("train + val", "visible", None): Count(395, 22_258),
    ("train + val", "infrared", None): Count(395, 11_909),
    ("test", "visible", None): Count(96, 6_775),
    ("test", "visible", 1): Count(None, 1_374),
    ("test", "visible", 2): Count(None, 1_565),
    ("test", "visible", 4): Count(None, 1_918),
    ("test", "visible", 5): Count(None, 1_918),
    ("test", "infrared", None): Count(96, 3_803),
    ("test", "infrared", 3): Count(None, 1_883),
    ("test", "infrared", 6): Count(None, 1_920),
}
# A conversion that circulates and lowers every score: 28 training identities of the infrared
# cameras are lost.
WRONG_CONVERSION = (
    Count(367, 11_333),
    "the known wrong conversion of SYSU-MM01 (367 identities, 11,333 pictures instead of 395 and "
    f"11,909). Scores would be low. Unpack the authors' original archive: {CONTENT}",
)


def sysu_train(root: str | os.PathLike) -> TrainSet:
    """SYSU-MM01 training pictures: identities of exp/train_id.txt and exp/val_id.txt together.

    Order: identity, camera, file name. Identities are the folder numbers, not relabelled.
    The full set has 395 identities, 22,258 visible and 11,909 infrared pictures.
    Raises FileNotFoundError (root or split file missing), ValueError (split file malformed, or no
    picture). Source: Wu et al., ICCV 2017, and the set's own exp/ folder.
    """
    ids = sorted(set(_ids(root, "train")) | set(_ids(root, "val")))
    return TrainSet(
        _pictures(root, ids, VISIBLE_CAMERAS, "train + val"),
        _pictures(root, ids, INFRARED_CAMERAS, "train + val"),
    )


def sysu_test(root: str | os.PathLike) -> TestSet:
    """SYSU-MM01 test pictures (visible of cameras 1, 2, 4, 5; infrared of cameras 3, 6).

    The full set has 6,775 and 3,803. Order and errors as in `sysu_train`.
    """
    ids = _ids(root, "test")
    return (
        _pictures(root, ids, VISIBLE_CAMERAS, "test"),
        _pictures(root, ids, INFRARED_CAMERAS, "test"),
    )


def sysu_gallery(root: str | os.PathLike, *, mode: str, trial: int, shots: int = 1) -> list[str]:
    """Gallery of one SYSU-MM01 trial: paths relative to root, in order.

    mode: 'all' (cameras 1, 2, 4, 5) or 'indoor' (1, 2); trial: the seed, 0..9 in published scores;
    shots: pictures per identity and camera, see `draw_gallery`. Errors as in `sysu_train`, and
    ValueError for another mode or for shots below 1.
    """
    sysu_gallery_cameras(mode)
    visible = _pictures(root, _ids(root, "test"), VISIBLE_CAMERAS, "test")
    return [visible.paths[i] for i in draw_gallery(visible, mode=mode, trial=trial, shots=shots)]


def sysu_protocols(
    test: TestSet,
    *,
    modes: Sequence[str] = ("all", "indoor"),
    shots: Sequence[int] = (1,),
    num_trials: int = 10,
) -> list[Protocol]:
    """SYSU-MM01: every infrared test picture against visible galleries, trials 0..num_trials-1.

    test: as `sysu_test` returns it; all protocols share the two. Full set: 3,803 queries; galleries
    of 301 (all) and 112 (indoor) pictures in single-shot. Raises as `draw_gallery`, and ValueError
    for no trial.
    """
    check_trials(num_trials)
    visible, infrared = test
    protocols = []
    for mode in modes:
        for number in shots:
            trials = tuple(
                draw_gallery(visible, mode=mode, trial=trial, shots=number)
                for trial in range(num_trials)
            )
            kind = "single-shot" if number == 1 else f"multi-shot ({number})"
            name = f"sysu {mode}-search {kind}"
            protocols.append(Protocol(name, "sysu", infrared, visible, trials, "infrared"))
    return protocols


def _read(root: str, trial: int, camera_pattern: str) -> tuple[TrainSet, TestSet]:
    return sysu_train(root), sysu_test(root)


def _protocols(test: TestSet, scoring: Scoring) -> list[Protocol]:
    return sysu_protocols(
        test, modes=scoring.modes, shots=scoring.shots, num_trials=scoring.num_trials
    )


def _ids(root: str | os.PathLike, split: str) -> list[int]:
    return read_identities(root, f"exp/{split}_id.txt", "SYSU-MM01", CONTENT)


def _pictures(
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


LAYOUT = Layout(
    title="SYSU-MM01",
    folder="sysu_mm01",
    read=_read,
    protocols=_protocols,
    about=About(
        description="SYSU-MM01: people in four visible and two infrared cameras. Read as it lies; "
        "training = the identities of train and val together.",
        manual="Ask the authors for the set (see the homepage) and unpack it so that manual_dir "
        f"holds {CONTENT}.",
        homepage="https://github.com/wuancong/SYSU-MM01",
        citation="Wu et al., RGB-Infrared Cross-Modality Person Re-Identification, ICCV 2017",
    ),
    expected=EXPECTED,
    known_wrong={("train + val", "infrared", None): WRONG_CONVERSION},
    # Those of val are trained on.
    identity_lists={
        "exp/train_id.txt": "train",
        "exp/val_id.txt": "train",
        "exp/test_id.txt": "test",
    },
    modality_folders={
        **{f"cam{camera}": "visible" for camera in VISIBLE_CAMERAS},
        **{f"cam{camera}": "infrared" for camera in INFRARED_CAMERAS},
    },
    mark="exp",
    validation="exp/val_id.txt",
)
