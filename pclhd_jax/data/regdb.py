"""RegDB: ten visible and ten thermal pictures of each person, divided in ten ways by lists."""

import os

from pclhd_jax.data.layout import About, Count, Key, Layout, Scoring
from pclhd_jax.data.lists import Pictures, TrainSet, make_pictures, read_labelled
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.protocol import Protocol, TestSet, both_ways, everything

VISIBLE_CAMERA, THERMAL_CAMERA = 1, 2
TRIALS = range(1, 11)
CONTENT = "idx/, Visible/ and Thermal/"

# Nguyen et al., Sensors 2017; ten random halves of the people (Ye et al., AAAI 2018).
EXPECTED: dict[Key, Count] = {
    ("all", "visible", None): Count(412, 4_120),
    ("all", "infrared", None): Count(412, 4_120),
    **{
        (f"{split} {trial}", modality, None): Count(206, 2_060)
        for trial in TRIALS
        for split in ("train", "test")
        for modality in MODALITIES
    },
}


def regdb_train(root: str | os.PathLike, *, trial: int) -> TrainSet:
    """RegDB training pictures of split `trial` (1..10), in the order of the idx files.

    The full set has 206 identities and 2,060 pictures of each modality. Labels run from 0 to 205 in
    the training AND in the test files, for other people: never compare one with the other.
    Cameras: visible 1, thermal 2. Raises FileNotFoundError (root, idx file or listed picture
    missing), ValueError (trial, or a malformed line). Source: Nguyen et al., Sensors 2017.
    """
    return TrainSet(*_split(root, "train", trial))


def regdb_test(root: str | os.PathLike, *, trial: int) -> TestSet:
    """RegDB test pictures (visible, thermal) of split `trial`; order and errors: `regdb_train`."""
    return _split(root, "test", trial)


def regdb_protocols(test: TestSet, *, trial: int) -> list[Protocol]:
    """RegDB split `trial` (1..10): visible queries on thermal pictures, then the reverse.

    test: as `regdb_test` returns it. Full set: 2,060 x 2,060. Published scores are means over ten
    models, one per split.
    """
    return both_ways(test, "regdb", f"regdb split {trial} {{}}", "thermal", everything)


def _read(root: str, trial: int, camera_pattern: str) -> tuple[TrainSet, TestSet]:
    return regdb_train(root, trial=trial), regdb_test(root, trial=trial)


def _protocols(test: TestSet, scoring: Scoring) -> list[Protocol]:
    return regdb_protocols(test, trial=scoring.trial)


def _split(root: str | os.PathLike, split: str, trial: int) -> tuple[Pictures, Pictures]:
    if trial not in TRIALS:
        raise ValueError(f"RegDB trial is {trial}; the splits on disk are 1 to 10")
    return (
        _list(root, f"idx/{split}_visible_{trial}.txt", VISIBLE_CAMERA),
        _list(root, f"idx/{split}_thermal_{trial}.txt", THERMAL_CAMERA),
    )


def _list(root: str | os.PathLike, name: str, camera: int) -> Pictures:
    rows = read_labelled(root, name, "RegDB", CONTENT)
    return make_pictures(root, [(path, label, camera) for path, label in rows])


LAYOUT = Layout(
    title="RegDB",
    folder="regdb",
    read=_read,
    protocols=_protocols,
    about=About(
        description="RegDB: 412 people, ten visible and ten thermal pictures each. Read as it "
        "lies; the ten trials divide the same pictures, which are stored once.",
        manual=f"Ask the authors for the set and unpack it so that manual_dir holds {CONTENT}.",
        homepage="http://dm.dongguk.edu/link.html",
        citation="Nguyen et al., Person Recognition System Based on a Combination of Body Images "
        "from Visible Light and Thermal Cameras, Sensors 2017",
    ),
    expected=EXPECTED,
    trials=TRIALS,
    trial_lists="idx/*_*_{}.txt",
    picture_lists="idx/*_*_*.txt",
    modality_folders={"Visible": "visible", "Thermal": "infrared"},
    mark="idx",
)
