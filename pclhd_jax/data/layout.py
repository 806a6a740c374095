"""What there is to say of a data set's layout: a row of the table in `datasets`."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pclhd_jax.data.lists import TrainSet
from pclhd_jax.data.protocol import Protocol, TestSet


class Count(NamedTuple):
    """None: no published number."""

    identities: int | None
    pictures: int | None


Key = tuple[str, str, int | None]  # split, modality, camera (None: all cameras)


class Scoring(NamedTuple):
    """What a run says of its evaluation; a layout takes what concerns it."""

    trial: int = 1  # the numbered split, RegDB's
    num_trials: int = 10  # galleries drawn at random
    modes: Sequence[str] = ("all", "indoor")  # SYSU-MM01's
    shots: Sequence[int] = (1,)  # of a gallery's identity and camera, SYSU-MM01's


class About(NamedTuple):
    """For the TFDS builder."""

    description: str
    manual: str  # what the user is to do: these sets cannot be downloaded
    homepage: str = ""
    citation: str = ""


class Layout(NamedTuple):
    """How a set lies on disk, is scored, prepared and checked.

    read(root, trial, camera_pattern): the training lists, and the test lists or None where nobody's
    identity is known. protocols(test, scoring): see `Protocol`.
    """

    title: str
    folder: str  # of a prepared set; TFDS makes it of the builder's name
    read: Callable[[str, int, str], tuple[TrainSet, TestSet | None]]
    protocols: Callable[[TestSet, Scoring], list[Protocol]]
    about: About
    expected: Mapping[Key, Count] = {}  # the published numbers, for the doctor
    known_wrong: Mapping[Key, tuple[Count, str]] = {}  # of copies that circulate; advice
    trials: Sequence[int] = ()  # numbered splits of the same pictures
    trial_lists: str = ""  # their files, as a glob below the root with {} for the number
    takes_camera_pattern: bool = False
    picture_lists: str = ""  # files that name pictures, as a glob below the root
    identity_lists: Mapping[str, str] = {}  # files that name identities: train or test
    modality_folders: Mapping[str, str] = {}  # by name, the modality of what lies below
    mark: str = ""  # what lies beside them in every such set
    validation: str = ""  # the one of them that belongs to training and is counted apart
