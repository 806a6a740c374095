"""One more piece of text at the end of a file: never through a link, and whole or not at all."""

import os
import stat
from contextlib import suppress
from pathlib import Path

# Not waiting: somebody may have put a pipe there. Not all of these are on Windows.
OPTIONAL = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")


def append_text(path: str | Path, text: str) -> None:
    """Returns when `text` is on the disk, behind what the file holds. The file is made if missing.

    Raises:
      OSError: a link or a pipe lies there, or the disk refuses; the file is as it was.
      ValueError: it is a device.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    for name in OPTIONAL:
        flags |= getattr(os, name, 0)
    with os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is no regular file; move it away")
        before = status.st_size
        try:
            _write_all(file.fileno(), text.encode())
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):  # half a line would spoil the next one
                os.ftruncate(file.fileno(), before)
            raise


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
