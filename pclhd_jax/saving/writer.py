"""Files written while the run goes on, by one thread, in the order in which they were given."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

AHEAD = 3  # pieces of work that are held in memory at once, the one under way included


class Writer:
    """A context manager; all is written when it ends.

    What a piece of work raises, the next `start` or `finish` raises, in the caller's thread.
    Nothing that was given behind it is done, then or later.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._given: deque[Future] = deque()
        self._has_failed = False

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            self.finish()
        finally:
            self._thread.shutdown()

    def start(self, work: Callable[[], Any]) -> None:
        """Have it done; returns at once unless AHEAD others are not done yet.

        work: holds what it needs, none of which changes later.
        """
        while self._given and (len(self._given) >= AHEAD or self._given[0].done()):
            self._given.popleft().result()
        self._given.append(self._thread.submit(self._do, work))

    def finish(self) -> None:
        """Returns when all is done."""
        while self._given:
            self._given.popleft().result()

    def _do(self, work: Callable[[], Any]) -> None:
        if self._has_failed:
            return
        try:
            work()
        except BaseException:
            self._has_failed = True
            raise
