"""One workdir, one run. Of several processes, process 0 holds it for all."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pclhd_jax.processes.exchange import from_first


@contextmanager
def locked(workdir: str | Path) -> Iterator[None]:
    """Holds `workdir` for the processes of this run. Raises as `_locked`, on all of them."""
    with ExitStack() as held:
        from_first(held.enter_context, _locked(workdir))
        yield


@contextmanager
def _locked(workdir: str | Path) -> Iterator[None]:
    """Holds `workdir`/run.lock, which the system lets go of when the process ends, however it does.

    A file that a killed run left behind is thus no lock. The file says who holds it.

    Raises:
      ValueError: another process holds it.
    """
    path = Path(workdir) / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not truncated by opening: the holder's name is still to be read.
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{workdir} is in use by another run ({holder(file.read())}); wait for it, end it, "
                "or name another --workdir"
            ) from None
        file.truncate()
        who = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%F %T")}
        json.dump(who, file)
        file.flush()
        yield  # the lock ends with the file; removing the file would let two runs lock two files


def check_unlocked(workdir: str | Path) -> None:
    """Raises ValueError if another run holds `workdir`; makes nothing."""
    from_first(_check_unlocked, workdir)


def _check_unlocked(workdir: str | Path) -> None:
    if (Path(workdir) / "run.lock").exists():
        with _locked(workdir):
            pass


def holder(text: str) -> str:
    try:
        who = json.loads(text)
        return f"process {who['pid']} on {who['host']}, since {who['since']}"
    except (ValueError, KeyError):  # it has only just taken the lock
        return "it has only just started"
