"""Seconds in which this process compiled, by JAX's own events."""

import threading
import time
from functools import cache

import jax

EVENTS = "/jax/core/compile/"  # tracing, lowering, the compiler or its cache

_of_thread = threading.local()
_lock = threading.Lock()
_total = 0.0


def seconds_compiling() -> float:
    """Since the first call, by all threads."""
    _listen()
    return _total


@cache
def _listen() -> None:
    jax.monitoring.register_event_duration_secs_listener(_add)


def _add(event: str, seconds: float, **_: object) -> None:
    """An event that ends now. Functions are traced within others: none counts twice."""
    global _total
    if not event.startswith(EVENTS):
        return
    begin = time.monotonic() - seconds
    counted = _of_thread.__dict__.setdefault("counted", [])  # (begin, seconds), the newest last
    fresh = seconds
    while counted and counted[-1][0] >= begin:
        fresh -= counted.pop()[1]
    counted.append((begin, seconds))
    del counted[:-1000]  # an event encloses the newest ones alone
    with _lock:
        _total += max(0.0, fresh)
