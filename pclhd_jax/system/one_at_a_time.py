"""One process at a time, by a lock that the system releases when the process ends."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # Windows, where filelock uses another call, which every drive supports
    fcntl = None

HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)


@contextmanager
def one_at_a_time(path: Path, wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Holds the lock file `path`. Yields False on a drive without locks, where nothing is held.

    wait: called once before waiting for another process; None: do not wait.

    Raises:
      Timeout: another process holds it, and `wait` is None.
      OSError: the lock file cannot be made.
      ValueError: something else has its name.
    """
    _check_lock_file(path)
    if not knows_locks(path):
        yield False
        return
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait is None:
            raise
        wait()
        lock.acquire()
    try:
        yield True
    finally:
        lock.release()


def _check_lock_file(path: Path) -> None:
    """A lock file is empty: what holds something, or leads elsewhere, is somebody's own."""
    if not os.path.lexists(path):
        return
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or (status.st_size and fcntl is not None):
        raise ValueError(f"{path} is no lock file of this program; move it away, or rename it")


def knows_locks(path: Path) -> bool:
    """Whether the drive can lock files, tried on `path`, which is made if it is missing.

    Network drives (Colab's Drive, some NFS and FUSE mounts) may say ENOSYS, ENOLCK or EOPNOTSUPP.
    """
    if fcntl is None:
        return True
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, NotImplementedError) as error:
        return getattr(error, "errno", None) in HELD
    finally:
        os.close(descriptor)
    return True
