"""Batches on their way to the devices, and the seconds in which these had no work left.

A process counts the seconds of all its feeds together, as it counts those of compilation
(`processes.compiling`): who wants those of an epoch takes the difference.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
from jax.sharding import Mesh

from pclhd_jax.batches.prefetch import prefetch
from pclhd_jax.processes.mesh import shard_batch

_waited_s = 0.0


def seconds_without_batch() -> float:
    """How long the devices waited for a batch, in this process so far."""
    return _waited_s


class Feed:
    """The batches, placed on the devices; a thread makes the next ones ahead. A context manager.

        with Feed(mesh, batches) as feed:
            for batch in feed:
                feed.given(work(batch))

    A second counts as waited if the loop asks for a batch and all work that it was `given` is done.
    """

    def __init__(self, mesh: Mesh, batches: Iterable[Any], ahead: int = 2):
        self._mesh = mesh
        self._batches = prefetch(batches, ahead, look=self._look)
        self._under_way: jax.Array | None = None
        self._idle_since = 0.0

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: Any) -> None:
        self._batches.close()

    def __iter__(self) -> Iterator[Any]:
        while True:
            asked = time.monotonic()
            self._look()
            batch = next(self._batches, None)
            if batch is None:
                return
            batch = shard_batch(self._mesh, batch)
            self._count(asked)
            yield batch

    def given(self, result: Any) -> None:
        """The devices work until `result`, a pytree of arrays, is there."""
        self._under_way = next((x for x in jax.tree.leaves(result) if hasattr(x, "is_ready")), None)

    def _look(self) -> None:
        """The devices count as idle from the first look that finds their work done."""
        if self._under_way is not None and self._under_way.is_ready():
            self._under_way, self._idle_since = None, time.monotonic()

    def _count(self, asked: float) -> None:
        global _waited_s
        self._look()
        if self._under_way is None:
            _waited_s += time.monotonic() - max(asked, self._idle_since)
