"""Small files written for good; and what to say, and how to clear up, when the disk refuses."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pclhd_jax.system.whole_files import whole_file

REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)


def make_folder_of(path: Path, flag: str = "--out") -> None:
    """The folder that `path` is to lie in, made and tried: before hours of work, not after.

    flag: that named it. Raises OSError, with the remedy, where nothing can be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def on_disk(file: IO) -> None:
    """Returns when what was written is no longer only in memory."""
    file.flush()
    os.fsync(file.fileno())


def disk_error(error: Exception) -> str:
    """What the system said, if it was the system that refused; empty for any other error."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{where}"
    code = re.search(r"os_error_code='(\d+)'", str(error))  # TensorStore raises ValueError
    return os.strerror(int(code[1])) if code else ""


def refused(what: str, folder: Path, size: int, reason: str) -> str:
    """The error's text. size: bytes that were to be written."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    return (
        f"{what} in {folder} failed: {reason}; it takes about {size / 1e6:,.1f} MB, "
        f"{free / 1e6:,.1f} MB are free; make room there, or give the right to write, and start "
        "the same command again"
    )


@contextmanager
def disk_explained(workdir: str | Path) -> Iterator[None]:
    """Gives the system's bare errors of writing in `workdir` the words that a person needs."""
    try:
        yield
    except OSError as error:
        # A picture that cannot be read is another matter.
        elsewhere = error.filename is not None and not str(error.filename).startswith(str(workdir))
        if error.errno not in REFUSALS or elsewhere:
            raise
        raise OSError(
            f"{workdir} cannot be written: {disk_error(error)}; what was saved before is intact. "
            "Make room there, or give the right to write, and start the same command again"
        ) from error


def free_name(path: Path) -> Path:
    """`path`, or the first of `path-2`, `path-3`, ... that nothing has."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
