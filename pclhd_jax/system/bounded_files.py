"""Files read whole, up to a size: never a pipe, a device, or more than memory is meant for."""

import os
import stat
from pathlib import Path


def read_bounded(path: str | Path, most_bytes: int) -> bytes:
    """All bytes of a regular file.

    Raises:
      FileNotFoundError, PermissionError, OSError: as the system says.
      ValueError: a folder, a pipe or a device; more than `most_bytes`. It names the file.
    """
    with open(path, "rb", opener=_opened_without_waiting) as file:
        found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise ValueError(
            f"{path} has more than {most_bytes:,} bytes, which no such file needs; it is another "
            "file, or damaged: name the right one, or bring it back from a backup"
        )
    return found


def check_regular(path: str | Path) -> os.stat_result:
    """The status of a file that can be read to its end. Raises as `read_bounded`."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is {kind_of(status.st_mode)}; a regular file is needed there")
    return status


def kind_of(mode: int) -> str:
    kinds = {
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a pipe",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
        stat.S_ISSOCK: "a socket",
    }
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "no regular file")


def _opened_without_waiting(path: str, flags: int) -> int:
    """A pipe would wait for its writer, so it is looked at before and after."""
    check_regular(path)
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} became something else while it was opened; try again")
    return descriptor
