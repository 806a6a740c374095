"""Prepares batches in a thread while the device works: `prefetch(map(gather, rows))`."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_ITEM, _END, _ERROR = range(3)
LOOK_EVERY_S = 0.002


def prefetch(
    iterator: Iterable[T], size: int = 2, look: Callable[[], None] | None = None
) -> Iterator[T]:
    """The items of `iterator` in order, made up to `size` ahead in a daemon thread.

    look: called every `LOOK_EVERY_S` seconds while an item is waited for.

    The thread starts at the first `next` and has ended once the result is exhausted, closed or
    dropped. An exception of `iterator` is raised at its place in the order.
    Raises ValueError for size below 1.
    """
    if size < 1:
        raise ValueError(f"prefetch size is {size}; at least 1 item ahead is needed")
    return _consume(iterator, size, look)


def _consume(iterator: Iterable[T], size: int, look: Callable[[], None] | None) -> Iterator[T]:
    items: queue.Queue = queue.Queue(size)
    stop = threading.Event()
    thread = threading.Thread(target=_produce, args=(iterator, items, stop), daemon=True)
    thread.start()
    try:
        while True:
            kind, value = _next(items, look)
            if kind == _END:
                return
            if kind == _ERROR:
                raise value
            yield value
    finally:
        stop.set()
        # The producer puts at most once more after `stop`; an emptied queue has room for it.
        while not items.empty():
            items.get_nowait()
        thread.join(timeout=5.0)  # A source stuck in its own wait must not hang the consumer.


def _next(items: queue.Queue, look: Callable[[], None] | None) -> tuple:
    while look is not None:
        try:
            return items.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            look()
    return items.get()


def _produce(iterator: Iterable[T], items: queue.Queue, stop: threading.Event) -> None:
    last = (_END, None)
    try:
        for item in iterator:
            if stop.is_set():
                break
            items.put((_ITEM, item))
    except (
        BaseException
    ) as error:  # Re-raised in the consumer, which would wait for ever otherwise.
        last = (_ERROR, error)
    if not stop.is_set():
        items.put(last)
