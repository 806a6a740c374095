"""Errors of a full or read-only disk: the folder, the reason, the free space and the remedy."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSALS = (*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
# TensorStore and safetensors name the number; ArrayRecord gives the system's words alone.
NUMBER = re.compile(r"os_error_code='(\d+)'|Os \{ code: (\d+),")
ARRAY_RECORD = re.compile(r"(?:write|close|flush|open|fsync|ftruncate)\(\) failed")
NUMPY = re.compile(r"\d+ requested and \d+ written")  # an array cut short has no number
REMEDY = "free some space or allow writing there, and start the same command again"


class DiskRefusedError(OSError):
    """Its text explains the error; errno and strerror are those of the system."""

    def __init__(self, number: int, reason: str, text: str):
        super().__init__(number, reason)
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple:  # for the other processes
        return type(self), (self.errno, self.strerror, self.text)


def refusal(error: BaseException) -> int | None:
    """The errno behind an error of any class; None if the system raised none."""
    if isinstance(error, OSError):
        return errno.ENOSPC if NUMPY.fullmatch(str(error)) else error.errno
    text = str(error)
    if found := NUMBER.search(text):
        return int(found[1] or found[2])
    if ARRAY_RECORD.search(text):
        return next((number for number in REFUSALS if os.strerror(number) in text), errno.EIO)
    return None


def disk_error(error: Exception) -> str:
    """The system's reason; empty if the error is not from the system."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{where}"
    number = refusal(error)
    return os.strerror(number) if number else ""


def refused(what: str, folder: Path, size: int | None, reason: str, remedy: str = REMEDY) -> str:
    """The text of the error. size: bytes to write; None if unknown."""
    takes = "" if size is None else f"it needs about {size / 1e6:,.1f} MB, "
    return f"{what} in {folder} failed: {reason}; {takes}{room(folder)}; {remedy}"


def room(folder: Path) -> str:
    folder = Path(os.path.abspath(folder))
    try:
        there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
        return f"{shutil.disk_usage(there).free / 1e6:,.1f} MB are free"
    except (OSError, StopIteration):  # the drive is gone: the refusal itself matters more
        return "nobody knows how much is free"


@contextmanager
def disk_explained(
    what: str,
    folder: str | Path,
    *,
    size: Callable[[], int | None] = lambda: None,
    remedy: str = REMEDY,
) -> Iterator[None]:
    """Explains errors of the system on writing in `folder`.

    what: the work, such as "drawing the set". size: returns its bytes; called on an error only.
    """
    try:
        yield
    except DiskRefusedError:
        raise
    except Exception as error:
        number = refusal(error)
        if number not in REFUSALS or _is_elsewhere(error, Path(folder)):
            raise
        text = refused(what, Path(folder), size(), disk_error(error), remedy)
        raise DiskRefusedError(number, os.strerror(number), text) from error


def _is_elsewhere(error: Exception, folder: Path) -> bool:
    """Whether the error is about a file elsewhere, such as a picture that cannot be read."""
    named = getattr(error, "filename", None)
    if named is None:
        return False
    if not isinstance(named, str | bytes):  # a descriptor
        return False
    return not Path(os.path.abspath(os.fsdecode(named))).is_relative_to(os.path.abspath(folder))
