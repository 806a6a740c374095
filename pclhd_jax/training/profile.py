"""A trace of ten steps of each stage, for TensorBoard, Perfetto or `benchmarks.read_profile`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from pclhd_jax.processes.exchange import is_alone, number
from pclhd_jax.processes.progress import say

WARM_UP = 3  # steps before: the first of a stage compiles
STEPS = 10

AfterStep = Callable[[Any], None]


class Profile:
    """Traces the first epoch of each stage that this process runs, in a folder of its own."""

    def __init__(self, folder: str | Path | None = None):
        """folder: gets `stage1/` and `stage2/`, of several processes in `process-0/` and so on;
        None: nothing is traced."""
        self.folder = None if folder is None else Path(folder)
        self.stages_done: set[int] = set()

    @contextmanager
    def of(self, stage: int, steps: int) -> Iterator[AfterStep]:
        """Yields what is to be called after each step with a result of it.

        steps: that are to come; of fewer than `WARM_UP` + `STEPS` those are traced that there are.
        """
        if self.folder is None or stage in self.stages_done or not steps:
            yield lambda result: None
            return
        self.stages_done.add(stage)
        first = min(WARM_UP, steps - 1)
        trace = Trace(self._place(stage), first, min(first + STEPS, steps))
        try:
            yield trace.after_step
        finally:
            trace.stop()

    def _place(self, stage: int) -> Path:
        own = self.folder if is_alone() else self.folder / f"process-{number()}"
        return own / f"stage{stage}"


class Trace:
    """Of the steps from `first` up to `last`, counted from 0."""

    def __init__(self, folder: Path, first: int, last: int):
        self.folder, self.first, self.last = folder, first, last
        self.done, self.runs = 0, False
        self._begin_or_end()

    def after_step(self, result: Any) -> None:
        self.done += 1
        if self.done in (self.first, self.last):
            jax.block_until_ready(result)  # whole steps: none of before, none cut off
        self._begin_or_end()

    def _begin_or_end(self) -> None:
        if self.done == self.first:
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # every call of Python would slow the steps down
            jax.profiler.start_trace(str(self.folder), profiler_options=options)
            self.runs = True
        elif self.done == self.last:
            self.stop()

    def stop(self) -> None:
        if self.runs:
            self.runs = False
            jax.profiler.stop_trace()
            say(f"a trace of {self.done - self.first} steps is in {self.folder}")
