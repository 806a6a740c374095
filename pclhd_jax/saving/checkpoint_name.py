"""How an encoder is named, by every command alike: CHECKPOINT."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from pclhd_jax.system.paths import given_path

HELP = (
    "a workdir (its newest sound checkpoint), one checkpoint of it (RUN/checkpoints/12) or a "
    "weight file (.safetensors; .pth with PyTorch)"
)
# What Orbax and `saving` write at the top of a checkpoint; what is half written has a longer name.
ITEMS = ("state", "progress", "checksums")  # checksums: of earlier versions
MANIFEST = "manifest.json"
HALF = r"(\.orbax-checkpoint-tmp.*)?"
WRITTEN = re.compile(
    rf"({'|'.join(ITEMS)}){HALF}|_CHECKPOINT_METADATA|commit_success\.txt"
    rf"|{MANIFEST}(\.new)?|\.{MANIFEST}\.[0-9a-f]+\.new"
)
# Every program's Orbax writes a state; the rest tells that it was this one.
OURS = re.compile(rf"(progress|checksums){HALF}|{MANIFEST}")
# What a weight file that does not say its picture size is taken for: the published one.
HEIGHT, WIDTH = 288, 144


class RunCheckpoint(NamedTuple):
    """epochs_done: which checkpoint of the workdir; None: its newest sound one."""

    workdir: Path
    epochs_done: int | None


class WeightFile(NamedTuple):
    path: Path


def parse_checkpoint(name: str | os.PathLike) -> RunCheckpoint | WeightFile:
    """What `name` names; looks at folders and opens nothing.

    Raises:
      FileNotFoundError: nothing is there, or a workdir without a checkpoint.
      ValueError: a folder that is neither a workdir nor a checkpoint of one.
    """
    path = Path(os.path.abspath(given_path(name)))  # so that `.` and `..` have their names
    if path.is_file():
        return WeightFile(path)
    workdir = path.parent.parent
    if path.parent.name == "checkpoints" and is_id(path.name):
        if not path.is_dir():
            raise FileNotFoundError(f"no checkpoint {name}; {there_are(workdir)}")
        return RunCheckpoint(workdir, int(path.name))
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {name}: there is nothing; name {HELP}")
    if ids_in(path):
        return RunCheckpoint(path, None)
    if (path / "config.json").exists() or (path / "checkpoints").is_dir():
        raise FileNotFoundError(
            f"no checkpoint in {name}: a workdir that has finished no epoch; name {HELP}"
        )
    raise ValueError(f"{name} is neither a workdir nor a checkpoint of one; name {HELP}")


def ids_in(workdir: Path) -> list[int]:
    """Epochs done of its checkpoints, damaged or not, ascending."""
    return checkpoint_ids(workdir / "checkpoints")


def checkpoint_ids(folder: Path) -> list[int]:
    """Of the finished checkpoints in a folder, damaged or not, ascending; nothing is opened."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if is_checkpoint(path))


def is_checkpoint(path: Path) -> bool:
    """Whether this program saved it; a folder that lost every file counts as such."""
    if not (is_id(path.name) and path.is_dir()):
        return False
    names = os.listdir(path)
    return not names or any(OURS.fullmatch(name) for name in names)


def is_id(name: str) -> bool:
    return name.isascii() and name.isdecimal() and str(int(name)) == name


def instead_of_damaged(workdir: Path) -> str:
    """What to do where the checkpoint that was named is damaged."""
    return (
        f"name the workdir, whose newest sound checkpoint is taken, or another one: "
        f"{there_are(workdir)}; or restore the folder from a backup"
    )


def there_are(workdir: Path) -> str:
    ids = ids_in(workdir)
    return f"{workdir} has {', '.join(map(str, ids))}" if ids else f"name {HELP}"
