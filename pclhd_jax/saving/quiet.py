"""Errors are told once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from absl import logging


@contextmanager
def quiet() -> Iterator[None]:
    """Without the tracebacks that Orbax and TensorStore print of errors that are raised as well.

    They come from threads of their own, so all of the process is quiet for so long.
    """
    verbosity, hook = logging.get_verbosity(), sys.unraisablehook

    def without_closed_loops(unraisable: Any) -> None:  # one for every array that was in flight
        if str(unraisable.exc_value) != "Event loop is closed":
            hook(unraisable)

    logging.set_verbosity(logging.FATAL)
    sys.unraisablehook = without_closed_loops
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        sys.unraisablehook = hook
