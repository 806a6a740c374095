"""Reads the original layouts of SYSU-MM01 and RegDB as they are: no conversion, no copies."""

import operator
import os
import random
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
SYSU_VISIBLE_CAMERAS = (1, 2, 4, 5)
SYSU_INFRARED_CAMERAS = (3, 6)
SYSU_GALLERY_CAMERAS = {"all": (1, 2, 4, 5), "indoor": (1, 2)}
REGDB_VISIBLE_CAMERA, REGDB_THERMAL_CAMERA = 1, 2


class Pictures(NamedTuple):
    """A list of pictures on disk. Count them with `len(pictures.paths)`: `len(pictures)` is 4.

    root: folder; paths: N posix paths relative to it; identities_N: int32, -1 where unknown;
    cameras_N: int32.
    """

    root: str
    paths: tuple[str, ...]
    identities_N: np.ndarray
    cameras_N: np.ndarray

    def take(self, indices: np.ndarray) -> "Pictures":
        """The pictures at `indices` (int, any length, order kept)."""
        indices = np.asarray(indices, np.intp)
        paths = tuple(self.paths[i] for i in indices)
        return Pictures(self.root, paths, self.identities_N[indices], self.cameras_N[indices])


class TrainSet(NamedTuple):
    """Training pictures by modality. Identities are for reports only: training never reads them."""

    visible: Pictures
    infrared: Pictures


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
    _gallery_cameras(mode)
    ids = _sysu_ids(root, "test")
    visible = _sysu_pictures(root, ids, SYSU_VISIBLE_CAMERAS, "test")
    return [visible.paths[i] for i in draw_gallery(visible, mode=mode, trial=trial, shots=shots)]


def draw_gallery(visible: Pictures, *, mode: str, trial: int, shots: int = 1) -> np.ndarray:
    """Gallery of one SYSU-MM01 trial as int32 indices into the visible pictures of `sysu_test`.

    Single-shot repeats the draws every published score rests on: `random.seed(trial)`, then over
    sorted identities and cameras in order one `random.choice` of the sorted files, if there are
    any. Multi-shot has no common stream (public programs draw it from an unseeded generator): here
    it is `random.sample` of min(shots, available) files from the same stream, in drawn order.
    """
    cameras = _gallery_cameras(mode)
    if shots < 1:
        raise ValueError(f"shots is {shots}, at least 1 is needed; use 1 (single) or 10 (multi)")
    groups: dict[tuple[int, int], list[int]] = {}
    keys = zip(visible.identities_N.tolist(), visible.cameras_N.tolist(), strict=True)
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    # A private generator gives the stream of random.seed(trial) and leaves the global one alone.
    stream = random.Random(operator.index(trial))
    drawn: list[int] = []
    for identity in sorted({identity for identity, _ in groups}):
        for camera in cameras:
            files = groups.get((identity, camera))
            if files and shots == 1:
                drawn.append(stream.choice(files))
            elif files:
                drawn.extend(stream.sample(files, min(shots, len(files))))
    if not drawn:
        raise ValueError(
            f"the '{mode}' gallery is empty: none of {len(visible.paths):,} visible test pictures "
            f"under {visible.root} is of cameras {_numbers(cameras)}; unpack these camera folders"
        )
    return np.array(drawn, np.int32)


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


def _gallery_cameras(mode: str) -> tuple[int, ...]:
    if mode not in SYSU_GALLERY_CAMERAS:
        raise ValueError(f"unknown SYSU-MM01 search mode {mode!r}; use 'all' or 'indoor'")
    return SYSU_GALLERY_CAMERAS[mode]


def _sysu_ids(root: str | os.PathLike, split: str) -> list[int]:
    name = f"exp/{split}_id.txt"
    lines, path = (
        _split_lines(root, name, "SYSU-MM01", "exp/ and cam1/ to cam6/"),
        Path(root) / name,
    )
    if len(lines) > 1:
        raise ValueError(
            f"{path}, line {lines[1][0]}: a second line of text; the limit is one line of "
            "comma-separated identities: restore the file or join its lines with commas"
        )
    ids = []
    for number, text in lines:
        for token in (part.strip() for part in text.split(",")):
            # Folders have four digits; a longer number can only be a damaged file.
            if not (token.isascii() and token.isdigit() and len(token) <= 4):
                raise ValueError(
                    f"{path}, line {number}: {token[:20]!r} is not an identity (0 to 9999); "
                    "expected comma-separated integers: restore the file from the data set"
                )
            ids.append(int(token))
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise ValueError(f"{path}: identity {twice} is listed twice; list each identity once")
    return sorted(ids)


def _sysu_pictures(
    root: str | os.PathLike, ids: Sequence[int], cameras: tuple[int, ...], split: str
) -> Pictures:
    rows = [
        (f"cam{camera}/{identity:04d}/{name}", identity, camera)
        for identity in ids
        for camera in cameras
        for name in _picture_names(Path(root) / f"cam{camera}" / f"{identity:04d}")
    ]
    if not rows:
        raise ValueError(
            f"SYSU-MM01 {split}: no picture for any of {len(ids):,} identities in cameras "
            f"{_numbers(cameras)} under {root}; unpack the data set so that cam1/0001/0001.jpg "
            "lies below this folder"
        )
    return _pictures(root, rows)


def _picture_names(folder: Path) -> list[str]:
    """Sorted picture files; empty when the folder is missing (not every camera saw everyone)."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                # A leading dot: '._0001.jpg' is what macOS archives leave behind, not a picture.
                if entry.name.lower().endswith(PICTURE_SUFFIXES) and entry.name[0] != "."
                if entry.is_file()
            )
    except (FileNotFoundError, NotADirectoryError):
        return []


def _regdb_split(root: str | os.PathLike, split: str, trial: int) -> tuple[Pictures, Pictures]:
    if trial not in range(1, 11):
        raise ValueError(f"RegDB trial is {trial}; the splits on disk are 1 to 10")
    return (
        _regdb_list(root, f"idx/{split}_visible_{trial}.txt", REGDB_VISIBLE_CAMERA),
        _regdb_list(root, f"idx/{split}_thermal_{trial}.txt", REGDB_THERMAL_CAMERA),
    )


def _regdb_list(root: str | os.PathLike, name: str, camera: int) -> Pictures:
    lines = _split_lines(root, name, "RegDB", "idx/, Visible/ and Thermal/")
    rows = [(*_listed_picture(Path(root) / name, *line), camera) for line in lines]
    missing = [path for path, _, _ in rows if not (Path(root) / path).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{Path(root) / name} lists {len(rows):,} pictures, {len(missing):,} are not on disk, "
            f"the first is {missing[0]}; unpack Visible/ and Thermal/ below {root}"
        )
    return _pictures(root, rows)


def _listed_picture(list_file: Path, number: int, text: str) -> tuple[str, int]:
    path, _, label = text.replace("\t", " ").rpartition(" ")
    path = path.strip()
    if not (path and label.isascii() and label.isdigit() and len(label) <= 9):
        raise ValueError(
            f"{list_file}, line {number}: {text[:80]!r} is not 'relative/path.bmp label' with a "
            "label of 0 or more; restore the file from the data set"
        )
    # Windows rules split at both kinds of slash and know drives, so they cover posix paths too.
    parsed = PureWindowsPath(path)
    if parsed.drive or parsed.root or ".." in parsed.parts:
        raise ValueError(
            f"{list_file}, line {number}: {path[:80]!r} lies outside the data folder; list paths "
            "relative to it, without '..'"
        )
    if not path.lower().endswith(PICTURE_SUFFIXES):
        raise ValueError(
            f"{list_file}, line {number}: {path[:80]!r} is not a picture; list files that end in "
            + ", ".join(PICTURE_SUFFIXES)
        )
    return path, int(label)


def _split_lines(
    root: str | os.PathLike, name: str, dataset: str, content: str
) -> list[tuple[int, str]]:
    """(line number, text) of every line that is not blank."""
    if not Path(root).is_dir():
        raise FileNotFoundError(
            f"{dataset}: no folder at {root}; give the folder that holds {content}"
        )
    path = Path(root) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{dataset}: split file {path} is missing; give the folder that holds {content}, or "
            f"restore {name} from the data set"
        )
    # Bytes that are not UTF-8 become a visible mark, so that the parser names their line.
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [(n, line.strip()) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError(f"{dataset}: split file {path} is empty; restore it from the data set")
    return lines


def _pictures(root: str | os.PathLike, rows: Sequence[tuple[str, int, int]]) -> Pictures:
    paths, identities, cameras = zip(*rows, strict=True)
    return Pictures(
        os.fspath(root), paths, np.array(identities, np.int32), np.array(cameras, np.int32)
    )


def _numbers(cameras: Sequence[int]) -> str:
    return ", ".join(map(str, cameras))
