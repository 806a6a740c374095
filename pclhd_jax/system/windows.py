"""What Windows lacks, in one place. Nobody has run the program there; tests simulate it."""

import os

WINDOWS = os.name == "nt"


def renames_open_files() -> bool:
    return not WINDOWS


def sync_folder(folder: str | os.PathLike) -> None:
    """Returns when a rename in `folder` is on the disk; Windows opens no folder."""
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_alive(process_id: int) -> bool:
    """Whether a process of this machine runs. On Windows always True, because asking would send
    a ctrl-C."""
    if WINDOWS:
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no number of a process
        return True
    return True
