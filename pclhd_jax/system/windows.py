"""What Windows lacks, in one place. Nobody has run the program there; tests simulate it."""

import errno
import os
from contextlib import suppress

WINDOWS = os.name == "nt"
NO_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)


def renames_open_files() -> bool:
    return not WINDOWS


def sync_folder(folder: str | os.PathLike) -> None:
    """Returns when a rename in `folder` is on the disk.

    Windows opens no folder, some network drives flush none, and one without the right to read
    opens to nobody: there the drive's own order has to do.
    """
    if WINDOWS:
        return
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in NO_FLUSH:
                raise
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
