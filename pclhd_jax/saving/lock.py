"""One workdir, one run. Of several processes, process 0 holds it for all."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import Timeout

from pclhd_jax.processes.exchange import from_first
from pclhd_jax.saving.holder import HeldError, holder_of, holding, holding_without_lock
from pclhd_jax.saving.mark import check_is_run, mark_run
from pclhd_jax.system.one_at_a_time import one_at_a_time

LOCK = "run.lock"


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
      ValueError: another process holds it, or it is not a workdir of this program.
    """
    workdir = Path(workdir)
    check_is_run(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            has_lock = held.enter_context(one_at_a_time(workdir / LOCK))
            mark_run(workdir)
            held.enter_context(holding(workdir) if has_lock else holding_without_lock(workdir))
        except (Timeout, HeldError) as error:
            raise ValueError(_in_use(workdir)) from error
        yield


def check_unlocked(workdir: str | Path) -> None:
    """Raises ValueError if another run holds `workdir`, or it is not a workdir; makes nothing."""
    from_first(_check_unlocked, Path(workdir))


def _check_unlocked(workdir: Path) -> None:
    check_is_run(workdir)
    if (workdir / LOCK).exists():
        try:
            with one_at_a_time(workdir / LOCK):
                pass
        except Timeout as error:
            raise ValueError(_in_use(workdir)) from error


def _in_use(workdir: Path) -> str:
    return (
        f"{workdir} is in use by another run ({holder_of(workdir)}); wait for it, end it, or name "
        "another --workdir"
    )
