"""What a CHECKPOINT names: a run's folder of checkpoints, one of them, or a weight file."""

import os
from pathlib import Path
from typing import NamedTuple

FOLDERS = ("checkpoints", "unfinished")  # of a workdir; ids of the second are of epochs under way


class Place(NamedTuple):
    """ids: of the checkpoints meant, ascending; none for a weight file."""

    workdir: Path | None
    folder: Path
    ids: tuple[int, ...]
    weight_file: Path | None = None


def find_place(checkpoint: str | os.PathLike) -> Place:
    """A workdir stands for the checkpoints of its finished epochs. Nothing is opened.

    Raises:
      FileNotFoundError: nothing is there, or no checkpoint yet.
      ValueError: a folder that is neither a workdir nor a checkpoint.
    """
    path = Path(os.path.abspath(checkpoint))
    if path.is_file():
        return Place(None, path.parent, (), path)
    if path.parent.name in FOLDERS and path.name.isdecimal():
        if not path.is_dir():
            there = ", ".join(map(str, ids_in(path.parent))) or "none"
            raise FileNotFoundError(f"no checkpoint {checkpoint}; there: {there}")
        return Place(path.parent.parent, path.parent, (int(path.name),))
    if not path.is_dir():
        raise FileNotFoundError(
            f"nothing at {checkpoint}; name a workdir, one checkpoint of it (RUN/checkpoints/12) "
            "or a weight file"
        )
    ids = ids_in(path / "checkpoints")
    if ids:
        return Place(path, path / "checkpoints", tuple(ids))
    if (path / "config.json").exists() or (path / "checkpoints").is_dir():
        raise FileNotFoundError(f"{checkpoint} has no checkpoint: no epoch of it is finished")
    raise ValueError(
        f"{checkpoint} is neither a workdir nor one checkpoint of it (RUN/checkpoints/12)"
    )


def beside(place: Place) -> list[Place]:
    """The save of the epoch under way, if the workdir has one."""
    folder = place.workdir / "unfinished"
    ids = tuple(ids_in(folder))
    return [Place(place.workdir, folder, ids)] if ids else []


def ids_in(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdecimal())
