"""What a CHECKPOINT names: a run's folder of checkpoints, one of them, or a weight file."""

import os
from pathlib import Path
from typing import NamedTuple

from pclhd_jax.saving.checkpoint_name import (
    WeightFile,
    checkpoint_ids,
    instead_of_damaged,
    is_id,
    parse_checkpoint,
)
from pclhd_jax.saving.integrity import REMEDY
from pclhd_jax.system.paths import given_path


class Place(NamedTuple):
    """ids: of the checkpoints meant, ascending; none for a weight file."""

    workdir: Path | None
    folder: Path
    ids: tuple[int, ...]
    weight_file: Path | None = None


def find_place(checkpoint: str | os.PathLike) -> Place:
    """As `parse_checkpoint`; also one save of an epoch under way, `RUN/unfinished/ID`.

    A workdir stands for the checkpoints of its finished epochs. Raises as `parse_checkpoint`.
    """
    path = Path(os.path.abspath(given_path(checkpoint)))
    if path.parent.name == "unfinished" and is_id(path.name) and path.is_dir():
        return Place(path.parent.parent, path.parent, (int(path.name),))
    named = parse_checkpoint(checkpoint)
    if isinstance(named, WeightFile):
        return Place(None, path.parent, (), path)
    folder, id = named.workdir / "checkpoints", named.epochs_done
    return Place(named.workdir, folder, tuple(checkpoint_ids(folder)) if id is None else (id,))


def remedy_for(checkpoint: str | os.PathLike, place: Place) -> str:
    """What to do where all that `checkpoint` names is damaged."""
    whole = Path(os.path.abspath(given_path(checkpoint))) == place.workdir
    return REMEDY if whole else instead_of_damaged(place.workdir)


def beside(place: Place) -> list[Place]:
    """The save of the epoch under way, if the workdir has one."""
    folder = place.workdir / "unfinished"
    ids = tuple(checkpoint_ids(folder))
    return [Place(place.workdir, folder, ids)] if ids else []
