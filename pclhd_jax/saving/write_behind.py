"""Files written while the run goes on, by one thread, in the order in which they were given."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from pclhd_jax.processes.signals import Interrupted


class WriteBehind:
    """A context manager. What a piece of work raises, every later call raises, in its thread.

    Nothing that was given behind such a piece is done. When the block ends, all is done, and
    nothing writes any more; after a ctrl-C that does not wait for that, as in a notebook, what has
    not begun is left out.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._given: list[Future] = []
        self._error: BaseException | None = None

    def __enter__(self) -> "WriteBehind":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None or isinstance(error, Interrupted):
                self.finish()
            elif isinstance(error, Exception):
                wait(self._given)
        finally:
            self._leave()
            if error is not None and self._error not in (None, error):
                error.add_note(f"and: {self._error}")

    def start(self, work: Callable[[], Any]) -> None:
        """Have it done, behind all that was given before; returns at once.

        work: holds what it needs, none of which changes later.
        """
        self.check()
        self._given.append(self._thread.submit(self._do, work))

    def finish(self) -> None:
        """Returns when all is done."""
        wait(self._given)
        self._given.clear()
        self.check()

    def check(self) -> None:
        """Raises what went wrong so far."""
        if self._error is not None:
            raise self._error

    def _do(self, work: Callable[[], Any]) -> None:
        if self._error is not None:
            return
        try:
            work()
        except BaseException as error:
            self._error = error

    def _leave(self) -> None:
        while True:
            try:
                return self._thread.shutdown(cancel_futures=True)
            except KeyboardInterrupt:  # again: a thread that writes on would outlive the lock
                continue


def write_now_or_behind(writer: WriteBehind | None, take: Callable[[], Callable[[], Any]]) -> None:
    """Now, or by the writer, when all that was given to it before is written.

    take: takes what is to be written, only then, and gives back the work: one copy at a time is in
    memory.
    """
    if writer is None:
        take()()
        return
    writer.finish()
    writer.start(take())
