"""Files that tell people apart: readable by their owner, and by a group if the user says so."""

import os
from pathlib import Path


def private_mode() -> int:
    """0o600, or 0o640 where the environment sets PCLHD_GROUP_READABLE=1."""
    return 0o640 if os.environ.get("PCLHD_GROUP_READABLE") == "1" else 0o600


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
