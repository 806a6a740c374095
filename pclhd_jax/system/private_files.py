"""Files that tell people apart: readable by their owner, and by a group if the user says so."""

import contextlib
import os
from pathlib import Path


def private_mode() -> int:
    """The mode of a private file: 0o600, or 0o640 with PCLHD_GROUP_READABLE=1."""
    return 0o640 if group_may_read() else 0o600


def group_may_read() -> bool:
    return os.environ.get("PCLHD_GROUP_READABLE") == "1"


def make_private_folder(path: str | Path) -> None:
    """Makes a folder that only its owner may enter, or also the group with PCLHD_GROUP_READABLE=1.

    Missing parents are made too. An existing folder keeps its permissions.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
        if group_may_read():
            os.chmod(path, 0o750)  # the umask would keep the group out


def create_private(path: str | os.PathLike) -> int:
    """Creates or empties a file that is private from its first byte on; returns its descriptor.

    A file of this name that others may read becomes private before anything is written. Use it as
    the opener of `open`: `open(path, "wb", opener=lambda p, _: create_private(p))`.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), private_mode())
    if hasattr(os, "fchmod"):  # not on Windows, whose files inherit the rights of their folder
        os.fchmod(descriptor, private_mode())
    return descriptor


def open_private(path: str | Path, mode: str = "wb", **kwargs):
    """`open` for writing, by `create_private`. mode: "wb", "w" or "w+b"."""
    return open(path, mode, opener=lambda p, _: create_private(p), **kwargs)
