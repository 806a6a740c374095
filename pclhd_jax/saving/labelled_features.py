"""What clustering saw and what it found, an epoch a file: `workdir/features/epoch-0012.npz`."""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.saving.removing import make_way
from pclhd_jax.system.array_files import read_npz
from pclhd_jax.system.private_files import make_private_folder
from pclhd_jax.system.whole_files import whole_file

PREFIX = "labels_"
MOST_PEOPLE = 2**31


class SavedEpoch(NamedTuple):
    """A row for every training picture; features are float32, as they were clustered."""

    visible_ND: np.ndarray
    infrared_ND: np.ndarray
    labels: EpochLabels | None  # made from these very features; None: too few clusters, no epoch
    visible_identities_N: np.ndarray  # -1: unknown
    infrared_identities_N: np.ndarray
    stage: int
    epoch: int  # in its stage, from 0
    epochs_done: int  # through both stages, this one included


def save_epoch(workdir: str | Path, saved: SavedEpoch, *, keep: int) -> None:
    """Write the epoch, then remove all but the newest `keep`; 0 writes and removes nothing.

    Plain NumPy arrays, uncompressed. Written beside and renamed: a kill leaves the old or the
    new file. Later epochs than this one are of a run before, and go as well.
    """
    if not keep:
        return
    folder = Path(workdir) / "features"
    make_private_folder(folder)
    arrays = saved._asdict()
    labels = arrays.pop("labels")
    labels = {} if labels is None else labels._asdict()
    arrays |= {f"labels_{name}": array for name, array in labels.items() if array is not None}
    path = folder / f"epoch-{saved.epochs_done:04d}.npz"
    make_way(path, is_saved_epoch)
    with whole_file(path, private=True) as file:  # features tell people apart
        np.savez(file, **arrays)

    paths = saved_epochs(workdir)
    newest = sorted(number for number in paths if number <= saved.epochs_done)[-keep:]
    remove_epochs(paths[number] for number in paths.keys() - set(newest))


def remove_epochs(paths: Iterable[Path]) -> None:
    """Removes saved epochs; a file of such a name with other content stays."""
    for path in paths:
        if is_saved_epoch(path):
            path.unlink()


def is_saved_epoch(path: Path) -> bool:
    """Whether `save_epoch` wrote it, by the names of its arrays."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return {"visible_ND.npy", "infrared_ND.npy", "epochs_done.npy"} <= {*file.namelist()}
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def load_epoch(workdir: str | Path, epochs_done: int | None = None) -> SavedEpoch:
    """A saved epoch, the newest one by default.

    Raises:
      FileNotFoundError: no such epoch; it says which there are.
      ValueError: a file that is damaged.
    """
    paths = saved_epochs(workdir)
    if not paths:
        raise FileNotFoundError(
            f"no saved features in {Path(workdir) / 'features'}; train first: a run with "
            "config.keep_features of 1 or more leaves them after labelling"
        )
    number = max(paths) if epochs_done is None else epochs_done
    if number not in paths:
        raise FileNotFoundError(
            f"no features of epoch {number} in {workdir}; there are those of epoch "
            f"{', '.join(map(str, sorted(paths)))}. A higher config.keep_features keeps more"
        )
    path = paths[number]
    try:
        return checked(read_npz(path), number)
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); remove it, and name another epoch or train one more"
        ) from error


def saved_epochs(workdir: str | Path) -> dict[int, Path]:
    """Path by epochs done."""
    named = {
        path: re.fullmatch(r"epoch-(\d+)\.npz", path.name)
        for path in (Path(workdir) / "features").glob("epoch-*.npz")
    }
    return {int(match[1]): path for path, match in named.items() if match}


def checked(arrays: dict[str, np.ndarray], number: int) -> SavedEpoch:
    """Raises ValueError, which names the array, unless `save_epoch` could have written them."""
    needed = [name for name in SavedEpoch._fields if name != "labels"]
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    counts = {name: count_of(name, arrays[name]) for name in ("stage", "epoch", "epochs_done")}
    if counts["stage"] not in (1, 2) or counts["epochs_done"] != number:
        raise ValueError(f"it is of stage {counts['stage']} after {counts['epochs_done']} epochs")
    visible_ND, infrared_ND = (
        features_of(name, arrays[name]) for name in ("visible_ND", "infrared_ND")
    )
    if visible_ND.shape[1] != infrared_ND.shape[1]:
        raise ValueError(
            f"its features have {visible_ND.shape[1]} and {infrared_ND.shape[1]} numbers"
        )
    rows = len(visible_ND), len(infrared_ND)
    names = ("visible_identities_N", "infrared_identities_N")
    identities = [
        labels_of(name, arrays[name], length, MOST_PEOPLE)
        for name, length in zip(names, rows, strict=True)
    ]
    labels = epoch_labels(arrays, rows)
    return SavedEpoch(visible_ND, infrared_ND, labels, *identities, **counts)


def epoch_labels(arrays: dict[str, np.ndarray], rows: tuple[int, int]) -> EpochLabels | None:
    """rows: pictures, visible and infrared."""
    names = {name.removeprefix(PREFIX) for name in arrays if name.startswith(PREFIX)}
    if not names:
        return None
    unknown = sorted(names - set(EpochLabels._fields))
    pairs = (EpochLabels._fields[i : i + 2] for i in (0, 2, 4))  # both of a pair, or neither
    halves = [pair for pair in pairs if len(names & set(pair)) == 1]
    if unknown or halves or "visible_N" not in names:
        raise ValueError(f"its labels are {', '.join(sorted(names))}")
    found = {name: arrays[PREFIX + name] for name in names}
    labels = {}
    for name, length in zip(("visible_N", "infrared_N"), rows, strict=True):
        labels[name] = labels_of(name, found[name], length, length)
        joint = f"joint_{name}"
        if joint in found:
            labels[joint] = labels_of(joint, found[joint], length, sum(rows))
    if "visible_to_infrared_K" in found:
        K, L = (int(labels[name].max(initial=-1)) + 1 for name in ("visible_N", "infrared_N"))
        for name, length, most in zip(EpochLabels._fields[2:4], (K, L), (L, K), strict=True):
            labels[name] = labels_of(name, found[name], length, most)
    return EpochLabels(**labels)


def count_of(name: str, array: np.ndarray) -> int:
    if array.shape != () or array.dtype.kind not in "iu" or array < 0:
        raise ValueError(f"{name} is not a whole number of 0 or more")
    return int(array)


def features_of(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 2 or array.dtype != np.float32 or not array.size:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, not float32 features")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds features that are not finite")
    return array


def labels_of(name: str, array: np.ndarray, length: int, most: int) -> np.ndarray:
    """`length` whole numbers from -1 to below `most`."""
    if array.shape != (length,) or array.dtype.kind not in "iu":
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, not {length} numbers")
    if array.min(initial=-1) < -1 or array.max(initial=-1) >= most:
        raise ValueError(f"{name} has a number outside -1 to {most - 1:,}")
    return array
