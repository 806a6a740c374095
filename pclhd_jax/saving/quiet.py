"""Errors are told once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from absl import logging


@contextmanager
def quiet() -> Iterator[None]:
    """Without the tracebacks that Orbax and TensorStore print of errors that are raised as well.

    They come from other threads, so the whole process is quiet for as long.
    """
    verbosity = logging.get_verbosity()
    leave_out_closed_loops()
    logging.set_verbosity(logging.FATAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


@cache
def leave_out_closed_loops() -> None:
    """After a failed save TensorStore prints one traceback for every array that was in flight.

    Some of them come long after the save has failed, so this holds until the process ends.
    """
    unraisable_hook, except_hook = sys.unraisablehook, sys.excepthook

    def unraisable(error: Any) -> None:
        if not is_closed_loop(error.exc_value):
            unraisable_hook(error)

    def uncaught(kind: type, error: BaseException, trace: Any) -> None:
        if not is_closed_loop(error):
            except_hook(kind, error, trace)

    sys.unraisablehook, sys.excepthook = unraisable, uncaught


def is_closed_loop(error: BaseException | None) -> bool:
    return isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
