"""One's own pictures: two plain folders, no label; an optional CSV for the evaluation."""

import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pclhd_jax.data.camera_pattern import cameras_by_path
from pclhd_jax.data.layout import About, Layout, Scoring
from pclhd_jax.data.lists import (
    PICTURE_SUFFIXES,
    UNKNOWN,
    TrainSet,
    check_names,
    check_path,
    check_root,
    make_pictures,
    same_spelling,
)
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.protocol import Protocol, TestSet, both_ways, everything
from pclhd_jax.data.walk import pictures_below
from pclhd_jax.system.csv_files import read_csv
from pclhd_jax.system.plain_files import is_there
from pclhd_jax.system.text import csv_text

CONTENT = "visible/ and infrared/"
CSV_NAME = "identities.csv"
CSV_COLUMNS, CAMERA = ("path", "identity"), "camera"  # the camera may be left out


class Listed(NamedTuple):
    """What identities.csv says of a picture."""

    identity: int
    camera: int


def folders_train(root: str | os.PathLike, *, camera_pattern: str = "") -> TrainSet:
    """Every picture under visible/ and infrared/, at any depth, that identities.csv does not name.

    Order: path. No identity is known (-1). camera_pattern: a regular expression with one group,
    searched in each path relative to root ('visible/...'); the distinct texts of the group, sorted,
    are cameras 0, 1, ... of both modalities together. Without it the camera is unknown (-1).
    Raises FileNotFoundError (root or one of the two folders missing), ValueError (no picture is
    left, the pattern is wrong or misses a path, or as `folders_test`).
    """
    paths = _all_paths(root)
    listed = _read_csv(root, paths)
    left = {
        modality: [path for path in paths[modality] if path not in listed]
        for modality in MODALITIES
    }
    for modality in MODALITIES:
        if not left[modality]:
            raise ValueError(
                f"{Path(root) / modality} has {len(paths[modality]):,} pictures "
                f"({', '.join(PICTURE_SUFFIXES)}), {CSV_NAME} keeps all of them for the "
                "evaluation; training needs some of both modalities: add pictures without a row"
            )
    cameras = cameras_by_path([*left["visible"], *left["infrared"]], camera_pattern)
    return TrainSet(
        *(
            make_pictures(root, [(path, UNKNOWN, cameras[path]) for path in left[modality]])
            for modality in MODALITIES
        )
    )


def folders_test(root: str | os.PathLike) -> TestSet | None:
    """The pictures (visible, infrared) that identities.csv names; None without that file.

    The file has the header `path,identity` or `path,identity,camera` and a row per picture: path
    relative to root, identity and camera whole numbers of 0 or more, the camera may be empty.
    Order: path. These pictures are kept out of training.
    Raises FileNotFoundError as `folders_train`, ValueError with the line of a row that is
    malformed, a repetition or names no picture under the two folders, and for a file that lists
    only one modality or nobody in both.
    """
    paths = _all_paths(root)
    listed = _read_csv(root, paths)
    if not listed:
        return None
    visible, infrared = (
        [(path, *listed[path]) for path in paths[modality] if path in listed]
        for modality in MODALITIES
    )
    shared = {row[1] for row in visible} & {row[1] for row in infrared}
    if not shared:
        raise ValueError(
            f"{Path(root) / CSV_NAME} lists {len(visible):,} visible and {len(infrared):,} "
            "infrared pictures, and no identity in both modalities; an evaluation needs at least "
            "one: add rows, or remove the file to train without evaluation"
        )
    return make_pictures(root, visible), make_pictures(root, infrared)


def folders_protocols(test: TestSet) -> list[Protocol]:
    """Own pictures, both directions, every picture of the other modality in the gallery.

    test: as `folders_test` returns it. Ordinary CMC, no rule about cameras.
    """
    return both_ways(test, "regdb", "folders {}", "infrared", everything)


def _read(root: str, trial: int, camera_pattern: str) -> tuple[TrainSet, TestSet | None]:
    return folders_train(root, camera_pattern=camera_pattern), folders_test(root)


def _protocols(test: TestSet, scoring: Scoring) -> list[Protocol]:
    return folders_protocols(test)


def _all_paths(root: str | os.PathLike) -> dict[str, list[str]]:
    """Sorted picture paths relative to root, by modality."""
    check_root(root, "own pictures", CONTENT)
    for modality in MODALITIES:
        check_root(Path(root) / modality, "own pictures", "pictures of that modality")
    found = {modality: pictures_below(root, modality) for modality in MODALITIES}
    for modality, paths in found.items():
        if not paths:
            raise ValueError(
                f"no picture under {Path(root) / modality}; put files there that end in "
                + ", ".join(PICTURE_SUFFIXES)
            )
        check_names(Path(root) / modality, paths)
    return found


def _read_csv(root: str | os.PathLike, paths: dict[str, list[str]]) -> dict[str, Listed]:
    """The rows by path; empty without the file."""
    file = Path(root) / CSV_NAME
    if not is_there(file):
        return {}
    known = {path for modality in MODALITIES for path in paths[modality]}
    listed: dict[str, Listed] = {}
    for row in read_csv(file, CSV_COLUMNS, (CAMERA,)):
        where = f"{file}, line {row.line}"
        path, entry = _parse_row(where, row.cells)
        if path not in known:
            raise ValueError(
                f"{where}: no picture {path!r} under {CONTENT}{_spelt(path, known)}; write paths "
                f"relative to {root}, with forward slashes"
            )
        if path in listed:
            raise ValueError(f"{where}: {path!r} is listed twice; keep one row per picture")
        listed[path] = entry
    if not listed:
        raise ValueError(
            f"{file} has no row; list evaluation pictures, or remove it to train without evaluation"
        )
    return listed


def _spelt(path: str, known: set[str]) -> str:
    """A hint if a picture differs only in letter case or in how Unicode writes its accents."""
    alike = next((other for other in known if same_spelling(other) == same_spelling(path)), None)
    return f" (there is {alike!a})" if alike else ""


def _parse_row(where: str, cells: dict[str, str]) -> tuple[str, Listed]:
    written = csv_text(cells["path"])
    check_path(written, where)
    camera = cells.get(CAMERA) or None
    for name, value in (("identity", cells["identity"]), (CAMERA, camera)):
        if value is not None and not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise ValueError(
                f"{where}: {name} {value[:20]!r} is not a whole number of 0 or more; number them, "
                "or leave the row out where it is unknown"
            )
    path = PurePosixPath(written).as_posix()  # './visible//a.jpg' is 'visible/a.jpg'
    return path, Listed(int(cells["identity"]), UNKNOWN if camera is None else int(camera))


LAYOUT = Layout(
    title="own pictures",
    folder="folders",
    read=_read,
    protocols=_protocols,
    about=About(
        description="Pictures of people in two folders, visible/ and infrared/.",
        manual="Put person crops into visible/ and infrared/ below manual_dir, at any depth.",
    ),
    takes_camera_pattern=True,
    modality_folders={modality: modality for modality in MODALITIES},
)
