"""`run.holder` says who uses a workdir. On a drive without locks it replaces the lock.

There a run renews the file every few seconds, and a second run watches whether the file is still
renewed. Two runs that start at the same moment may miss each other on a slow drive.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pclhd_jax.processes.progress import say
from pclhd_jax.saving.disk import write_whole
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import record, text, whole
from pclhd_jax.system.text import printable

HOLDER = "run.holder"
WHO = record({"pid": whole(0), "host": text(), "since": text(most=100)})
RENEW_S, WATCH_S, SETTLE_S = 10.0, 35.0, 2.0


class HeldError(Exception):
    """Another run holds the workdir. Its text says which."""


@contextmanager
def holding(workdir: Path) -> Iterator[None]:
    """Says who holds `workdir`, for as long as its lock is held."""
    path = workdir / HOLDER
    write_whole(path, json.dumps(_this_process()))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def holding_without_lock(workdir: Path) -> Iterator[None]:
    """Holds `workdir` by a `run.holder` that this run renews.

    Raises:
      HeldError: another run renews it.
    """
    path, me = workdir / HOLDER, _this_process() | {"run": os.urandom(8).hex()}
    say(
        f"warning: {workdir} is on a drive without file locks; {HOLDER} replaces them. Do not "
        "start two runs there in the same minute: they would damage each other's files"
    )
    _check_nobody_renews(path)
    write_whole(path, json.dumps(me | {"renewed": 0}))
    time.sleep(SETTLE_S)
    if not _is_of(path, me):
        raise HeldError(holder_of(workdir))
    end = threading.Event()
    thread = threading.Thread(target=_renew, args=(path, me, end), daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        if _is_of(path, me):
            path.unlink(missing_ok=True)


def holder_of(workdir: Path) -> str:
    """Names the process that uses `workdir`, for a message."""
    try:
        who = read_json(workdir / HOLDER, WHO, most_bytes=10_000)
        words = f"process {who['pid']} on {who['host']}, since {who['since']}"
        return printable(words, keep="")
    except (OSError, ValueError):  # it is still writing the file
        return "it has only just started"


def _this_process() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _check_nobody_renews(path: Path) -> None:
    before = _content(path)
    if before is None:
        return
    say(f"{path} is there; watching for {WATCH_S:.0f} s whether its run is alive")
    end = time.monotonic() + WATCH_S
    while time.monotonic() < end:
        time.sleep(min(1.0, WATCH_S / 10))
        now = _content(path)
        if now is None:
            return
        if now != before:
            raise HeldError(holder_of(path.parent))


def _renew(path: Path, me: dict[str, Any], end: threading.Event) -> None:
    renewed = 0
    while not end.wait(RENEW_S):
        if not _is_of(path, me):
            say(f"warning: another run has taken {path.parent}; end one of the two")
            return
        renewed += 1
        # The drive may be away for a moment; a save reports a longer absence.
        with suppress(OSError):
            write_whole(path, json.dumps(me | {"renewed": renewed}))


def _is_of(path: Path, me: dict[str, Any]) -> bool:
    content = _content(path)
    return content is None or me["run"] in content


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:10_000]
    except OSError:
        return None
