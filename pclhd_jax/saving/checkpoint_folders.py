"""Which folders are checkpoints, and how one is removed: what no save wrote stays."""

import json
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from pclhd_jax.saving.disk import free_name
from pclhd_jax.saving.integrity import MANIFEST, unsealed

ITEMS = ("state", "progress", "checksums")
# At the top of a checkpoint, finished or not; what is half written has a longer name.
WRITTEN = re.compile(
    rf"({'|'.join(ITEMS)})(\.orbax-checkpoint-tmp.*)?|_CHECKPOINT_METADATA"
    rf"|commit_success\.txt|{MANIFEST}(\.new)?"
)
# A save that a kill cut short, and a checkpoint whose removal a kill cut short.
LEFT_OVER = re.compile(r"\d+\.(orbax-checkpoint-tmp|removed)(-\d+)?")


def checkpoint_ids(folder: Path) -> list[int]:
    """Of the finished checkpoints in a folder, damaged or not, ascending; nothing is opened."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if is_checkpoint(path))


def is_checkpoint(path: Path) -> bool:
    """Whether a save wrote it. One that lost every file counts, and a folder of others does not."""
    if not (path.name.isascii() and path.name.isdecimal() and path.is_dir()):
        return False
    names = [entry.name for entry in path.iterdir()]
    return not names or any(WRITTEN.fullmatch(name) for name in names)


def remove_checkpoint(path: Path) -> None:
    """Remove what a save wrote in `path`; what somebody else put there stays, in `ID.kept`.

    It gets another name first: a kill half-way through must not leave what looks like a damaged
    checkpoint.
    """
    going = free_name(path.with_name(f"{path.name}.removed"))
    os.rename(path, going)
    _remove_written(going)
    if going.exists():
        os.rename(going, free_name(path.with_name(f"{path.name}.kept")))


def remove_left_over(folder: Path, seconds: float = 0.0) -> None:
    """Remove what killed or failed saves and removals left in `folder`.

    seconds: how long threads may go on writing there; what cannot be removed by then stays.
    """
    end = time.monotonic() + seconds
    while True:
        paths = [path for path in _entries(folder) if LEFT_OVER.fullmatch(path.name)]
        for path in paths:
            _remove_written(path)
        if time.monotonic() >= end or not any(path.exists() for path in paths):
            return
        time.sleep(0.05)


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _remove_written(folder: Path) -> None:
    files = _files_of_manifest(folder)
    if files is None:
        for path in _entries(folder):
            if WRITTEN.fullmatch(path.name):
                _remove(path)
    else:
        for name in (*files, MANIFEST):
            (folder / name).unlink(missing_ok=True)
    for inner, _, _ in os.walk(folder, topdown=False):
        remove_if_empty(Path(inner))


def _files_of_manifest(folder: Path) -> list[str] | None:
    """The files that a save wrote, relative; None where no sound manifest says so."""
    try:
        return list(unsealed(json.loads((folder / MANIFEST).read_bytes()))["files"])
    except (OSError, ValueError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
