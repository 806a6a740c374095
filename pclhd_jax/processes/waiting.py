"""How long the device had nothing to do, and for what it waited, as far as the host can know."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from pclhd_jax.processes.compiling import seconds_compiling


class Waiting:
    """Seconds without work for the device, by what it waited for.

    Counted is the time within `on` in which all that the device was given is done, and the time of
    compilation, wherever it falls. So it is at most what the device waited: not counted are gaps
    outside `on`, such as between two batches that are there, and what of a kernel is idle. On a
    CPU the "device" is the same cores, and waits while they do something else.
    """

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """From zero, at the beginning of an epoch."""
        self.by_what: dict[str, float] = {}
        self.last: jax.Array | None = None  # of the work under way
        self.free_since = 0.0
        self.compiled_before = seconds_compiling()

    def given(self, result: Any) -> None:
        """The device has work, which is done when `result`, a pytree of arrays, is there."""
        self.last = next((x for x in jax.tree.leaves(result) if hasattr(x, "is_ready")), None)

    def look(self) -> None:
        """Whether the work is done; the device counts as free from the first look that says so."""
        if self.last is not None and self.last.is_ready():
            self.last = None
            self.free_since = time.monotonic()

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """The host does what the device cannot work without; `look` within to see it run dry."""
        self.look()
        begin, compiled = time.monotonic(), seconds_compiling()
        try:
            yield
        finally:
            self.look()
            if self.last is None:
                waited = time.monotonic() - max(begin, self.free_since)
                waited -= seconds_compiling() - compiled
                self.by_what[what] = self.by_what.get(what, 0.0) + max(0.0, waited)

    def seconds(self) -> dict[str, float]:
        """What was waited since `start`."""
        compilation = {"compilation": seconds_compiling() - self.compiled_before}
        return {name: round(s, 3) for name, s in (compilation | self.by_what).items()}
