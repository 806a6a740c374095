"""Where a run's record goes beside `metrics.jsonl`: writers, each a small class.

docs/writers.md shows how to add one. Process 0 alone opens and calls them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np


class Epoch(NamedTuple):
    """What an epoch leaves to write, by name, such as `losses/loss`; any of it may be empty."""

    epochs_done: int  # 0: the untrained encoder
    scalars: Mapping[str, float]
    sizes: Mapping[str, np.ndarray] = {}  # whole numbers, to be shown as a histogram
    pictures: Mapping[str, np.ndarray] = {}  # uint8 (H, W, 3)
    texts: Mapping[str, str] = {}


class Start(NamedTuple):
    """What a writer is opened with."""

    workdir: Path
    settings: Mapping[str, Any]  # by path, such as `loss.temperature`
    last: int  # epoch of the record, -1: none; those after it are still to come
    run: str = ""  # the writer's `run` at the start before
    has: int = -1  # the last epoch that it wrote, -1: none; more than `last` if a kill lost some

    def run_to_continue(self) -> str:
        """For a service that cannot take epochs back: "" if it has some that come again."""
        return self.run if self.has <= self.last else ""


class RecordWriter(Protocol):
    """Called by one thread at a time. An error switches the writer off, and the run goes on."""

    run: str  # the name of this run at a service, which the workdir keeps; "": it has none
    has: int  # the last epoch that need not be written again; -1: write all of the record

    def write(self, epoch: Epoch) -> None:
        """Write an epoch that is saved, or one of the record, without pictures.

        After a kill the last one may come again, with the same numbers.
        """

    def close(self, finished: bool) -> None:
        """finished: the whole schedule is done; False: the run stopped on the way."""


class Kind(NamedTuple):
    """A word of `config.writers`."""

    open: Callable[[Start], RecordWriter]
    is_local: bool = False  # stays in the workdir: it may show people
    module: str = ""  # that it imports
    package: str = ""  # whose installation brings the module
    check: Callable[[], None] | None = None  # raises ValueError for what cannot work
