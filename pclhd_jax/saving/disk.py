"""Writes small files durably, tests folders beforehand, and finds unused names."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from pclhd_jax.system.private_files import make_private_folder
from pclhd_jax.system.whole_files import whole_file


def make_folder_of(path: Path, flag: str = "--out", *, private: bool = False) -> None:
    """The folder that `path` is to lie in, made and tried: before hours of work, not after.

    flag: the flag that named it. private: only its owner may enter a folder that is made here.
    Raises OSError, with the remedy, if nothing can be written.
    """
    try:
        if private:
            make_private_folder(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.lstat(path)  # a name that is too long for the drive
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(
            f"cannot write {path.name} to {path.parent} ({error.strerror or error}); name another "
            f"{flag}, or give the right to write"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """A small text file, by `whole_file`."""
    with whole_file(path, "w") as file:
        file.write(text)


def free_name(path: Path) -> Path:
    """`path`, or the first of `path-2`, `path-3`, ... that nothing has."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
