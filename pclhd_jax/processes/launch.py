"""Starts and ends a run of several processes: `with joined(place): train_and_evaluate(...)`.

JAX's distributed runtime does the work: process 0 keeps its coordinator, the others send it
heartbeats, and when one stays away JAX ends the rest in native code and says which one it was.
"""

import atexit
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pclhd_jax.processes import exchange
from pclhd_jax.processes.agreement import check_same_device_count
from pclhd_jax.processes.progress import say, tell
from pclhd_jax.processes.signals import Interrupted

# Process 0 leaves last: with it JAX's coordinator goes, and ends who has not told its error yet.
GRACE_S = 3.0
VERDICT_S = 30.0  # of JAX, after the heartbeats' time is over
LOOPBACK = ("localhost", "127.0.0.1")
SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")


def place_of_flags(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> dict[str, Any] | None:
    """Arguments of `jax.distributed.initialize`; None where no flag is given.

    Raises:
      ValueError: some are missing, or they make no sense.
    """
    given = {
        "--coordinator": coordinator,
        "--num_processes": num_processes,
        "--process_id": process_id,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if missing:
        raise ValueError(f"{', '.join(given)} go together; {' and '.join(missing)} not given")
    host, _, port = coordinator.rpartition(":")
    if not (host and re.fullmatch(r"\d{1,5}", port)):
        raise ValueError(f"--coordinator is {coordinator!r}; give HOST:PORT of process 0's machine")
    if not 0 <= process_id < num_processes:
        raise ValueError(
            f"--process_id is {process_id} of --num_processes={num_processes}; count from 0"
        )
    return {
        "coordinator_address": coordinator,
        "num_processes": num_processes,
        "process_id": process_id,
        # Not by default on every network of the machine, where nobody outside is to come in.
        "coordinator_bind_address": coordinator if host in LOOPBACK else None,
        "cluster_detection_method": "deactivate",
    }


def place_of_slurm(environment: Mapping[str, str]) -> dict[str, Any]:
    """The same for a task of a SLURM job step: JAX reads where it is, and gives it one device.

    Raises:
      ValueError: this is no such task.
    """
    missing = [name for name in SLURM if name not in environment]
    if missing:
        raise ValueError(
            f"--distributed=slurm, but {', '.join(missing)} not set: start the command with srun"
        )
    return {
        "num_processes": int(environment["SLURM_NTASKS"]),
        "process_id": int(environment["SLURM_PROCID"]),
        "cluster_detection_method": "slurm",  # for the machine of process 0 and the device
    }


def note_of_slurm(environment: Mapping[str, str]) -> str | None:
    """What a user should know who let srun start the command several times, and asked no more."""
    count = environment.get("SLURM_STEP_NUM_TASKS", "1")
    if count == "1":
        return None
    return (
        f"note: srun started this command {count} times, and each trains by itself; "
        "--distributed=slurm makes one run of them"
    )


@contextmanager
def joined(
    place: dict[str, Any] | None, *, start_timeout_s: int = 300, peer_timeout_s: int = 60
) -> Iterator[None]:
    """Inside, this process is one of several that train as one; with None, one alone.

    To be entered before anything of JAX is computed. Where a process does not come within
    `start_timeout_s`, or is not heard of for `peer_timeout_s`, JAX ends the others.

    Raises:
      ConnectionError: process 0 cannot listen where it should.
    """
    if place is None:
        yield
        return
    import jax

    _initialize(place, start_timeout_s, peer_timeout_s)
    try:
        check_same_device_count([device.process_index for device in jax.devices()])
        hosts = exchange.gather(socket.gethostname())
        say(f"{len(hosts)} processes: {', '.join(f'{i} on {h}' for i, h in enumerate(hosts))}")
        stopped = None
        try:
            yield
        except Interrupted as stop:  # all of them, at the same step
            stopped = stop
        exchange.barrier("the end")
    except BaseException as error:
        if lost_contact(error):
            tell(
                f"lost contact with another one ({error}). JAX says which within "
                f"{peer_timeout_s} s, as a task that sends no heartbeats. Give all of them the "
                "same command again, and the run goes on after what it saved last"
            )
            time.sleep(peer_timeout_s + VERDICT_S)
        # JAX's own exit waits for all processes, and some of them may wait for this one.
        atexit.register(_leave, error.code if isinstance(error, SystemExit) else 1)
        time.sleep(0.0 if exchange.number() else GRACE_S)
        raise
    if stopped is not None:
        raise stopped


def lost_contact(error: BaseException) -> bool:
    """Whether an exchange with other processes failed.

    On CPUs a collective raises an error of gloo, the library, when a peer is gone. On GPUs it
    waits, and JAX ends the process.
    """
    return re.search(r"\bGloo [\w -]+ failed", str(error)) is not None


def _initialize(place: dict[str, Any], start_timeout_s: int, peer_timeout_s: int) -> None:
    import jax

    address = place.get("coordinator_address")  # None: JAX finds it out
    if place["process_id"] == 0 and address:
        _check_free(address)
    exchange.set_place(place["process_id"], place["num_processes"])
    tell(
        f"waiting up to {start_timeout_s} s for all {place['num_processes']} to meet at process 0"
        f"{f', {address}' if address else ''}; JAX ends this one (DEADLINE_EXCEEDED) if one does "
        "not come"
    )
    handler = signal.getsignal(signal.SIGTERM)
    jax.distributed.initialize(
        **place,
        initialization_timeout=start_timeout_s,
        heartbeat_timeout_seconds=peer_timeout_s,
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # JAX has put in its own, which goes on
        # JAX's verdict on a lost process is an abort: no stack of ours behind it (faulthandler's).
        signal.signal(signal.SIGABRT, signal.SIG_DFL)


def _check_free(address: str) -> None:
    """JAX 0.10 ends in a segmentation fault when it cannot have the port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_server((host if host in LOOPBACK else "", int(port))).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"process 0 cannot listen at {address} ({error}); --coordinator must name its own "
            "machine and a free port there"
        ) from error


def _leave(code: Any) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)
