"""Removes a checkpoint, but only what a save wrote."""

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pclhd_jax.saving.checkpoint_name import WRITTEN
from pclhd_jax.saving.disk import free_name
from pclhd_jax.saving.integrity import read_manifest

# A save that a kill cut short, and a checkpoint whose removal a kill cut short. In earlier versions
# Orbax wrote under the final name.
LEFT_OVER = re.compile(r"\d+\.(new|removed)(-\d+)?|\d+(\.new(-\d+)?)?\.orbax-checkpoint-tmp(-\d+)?")


def remove_checkpoint(path: Path) -> None:
    """Removes what a save wrote in `path`; other files stay, in `ID.kept`.

    Renames the folder first, so that a kill half-way does not leave what looks like a damaged
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


def make_way(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Renames what is at `path`, unless the program wrote it."""
    if os.path.lexists(path) and not is_ours(path):
        os.rename(path, free_name(path.with_name(f"{path.name}.kept")))


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _remove_written(folder: Path) -> None:
    files = _files_of_manifest(folder)
    for name in files or ():
        (folder / name).unlink(missing_ok=True)
    for path in _entries(folder):
        if WRITTEN.fullmatch(path.name) and (files is None or not path.is_dir()):
            _remove(path)
    for inner, _, _ in os.walk(folder, topdown=False):
        remove_if_empty(Path(inner))


def _files_of_manifest(folder: Path) -> list[str] | None:
    """The files that a save wrote, relative; None without a sound manifest."""
    try:
        return list(read_manifest(folder))
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
