"""Files that tell people apart: readable by their owner, and by a group if the user says so."""

import contextlib
import os
from pathlib import Path

# On drives that keep no rights (exFAT, some network drives): there the mount's hold for all files.
NO_RIGHTS = (PermissionError, NotImplementedError)


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
            with contextlib.suppress(*NO_RIGHTS):
                os.chmod(path, 0o750)  # the umask would keep the group out


def make_private(path: str | Path) -> None:
    """Of a new, empty file that a library opened."""
    with contextlib.suppress(*NO_RIGHTS):
        os.chmod(path, private_mode())


def let_group_read(descriptor: int) -> None:
    """Of a new file that was opened with `private_mode`: the umask would keep the group out."""
    if group_may_read() and hasattr(os, "fchmod"):  # not on Windows
        with contextlib.suppress(*NO_RIGHTS):
            os.fchmod(descriptor, private_mode())
