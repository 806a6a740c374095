"""What clustering saw and what it found, an epoch a file: `workdir/features/epoch-0012.npz`."""

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.system.whole_files import whole_file


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
    folder.mkdir(parents=True, exist_ok=True)
    arrays = saved._asdict()
    labels = arrays.pop("labels")
    labels = {} if labels is None else labels._asdict()
    arrays |= {f"labels_{name}": array for name, array in labels.items() if array is not None}
    path = folder / f"epoch-{saved.epochs_done:04d}.npz"
    with whole_file(path) as file:
        np.savez(file, **arrays)

    paths = saved_epochs(workdir)
    newest = sorted(number for number in paths if number <= saved.epochs_done)[-keep:]
    for number in paths.keys() - set(newest):
        paths[number].unlink()


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
    try:
        with np.load(paths[number], allow_pickle=False) as arrays:
            return unpack({name: arrays[name] for name in arrays.files})
    except (zipfile.BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{paths[number]} is damaged ({error}); remove it, and name another epoch or train "
            "one more"
        ) from error


def saved_epochs(workdir: str | Path) -> dict[int, Path]:
    """Path by epochs done."""
    named = {
        path: re.fullmatch(r"epoch-(\d+)\.npz", path.name)
        for path in (Path(workdir) / "features").glob("epoch-*.npz")
    }
    return {int(match[1]): path for path, match in named.items() if match}


def unpack(arrays: dict[str, np.ndarray]) -> SavedEpoch:
    prefix = "labels_"
    labels = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    fields = {name: arrays[name] for name in SavedEpoch._fields if name != "labels"}
    counts = {name: int(fields.pop(name)) for name in ("stage", "epoch", "epochs_done")}
    return SavedEpoch(**fields, labels=EpochLabels(**labels) if labels else None, **counts)
