"""One workdir, one run. Of several processes, process 0 holds it for all."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pclhd_jax.processes.exchange import from_first
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import record, text, whole
from pclhd_jax.system.text import printable

LOCK, HOLDER = "run.lock", "run.holder"
WHO = record({"pid": whole(0), "host": text(), "since": text(most=100)})


@contextmanager
def locked(workdir: str | Path) -> Iterator[None]:
    """Holds `workdir` for the processes of this run. Raises as `_locked`, on all of them."""
    with ExitStack() as held:
        from_first(held.enter_context, _locked(workdir))
        yield


@contextmanager
def _locked(workdir: str | Path) -> Iterator[None]:
    """Holds `workdir`/run.lock, which the system lets go of when the process ends, however it does.

    A file that a killed run left behind is thus no lock. Beside it, run.holder says who holds it.

    Raises:
      ValueError: another process holds it.
    """
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    with _lock(workdir):
        who = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%F %T")}
        (workdir / HOLDER).write_text(json.dumps(who))
        try:
            yield
        finally:
            (workdir / HOLDER).unlink(missing_ok=True)


def check_unlocked(workdir: str | Path) -> None:
    """Raises ValueError if another run holds `workdir`; makes nothing."""
    from_first(_check_unlocked, workdir)


def _check_unlocked(workdir: str | Path) -> None:
    if (Path(workdir) / LOCK).exists():
        with _lock(Path(workdir)):
            pass


@contextmanager
def _lock(workdir: Path) -> Iterator[None]:
    lock = FileLock(workdir / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{workdir} is in use by another run ({_holder(workdir)}); wait for it, end it, or "
            "name another --workdir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _holder(workdir: Path) -> str:
    try:
        who = read_json(workdir / HOLDER, WHO, most_bytes=10_000)
        words = f"process {who['pid']} on {who['host']}, since {who['since']}"
        return printable(words, keep="")
    except (OSError, ValueError):  # it has only just taken the lock
        return "it has only just started"
