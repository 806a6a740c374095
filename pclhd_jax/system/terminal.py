"""Standard streams that work even if they are ASCII only, closed, or a pipe without a reader."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pclhd_jax.system.text import printable

NAMES = ("stdin", "stdout", "stderr")  # by their descriptors: 0, 1, 2


class SafeStream:
    """A stream that makes text printable first, and that survives the loss of its reader.

    as_is: the same stream without the change to the text, for progress bars.
    """

    def __init__(self, stream: Any, change: Callable[[str], str] = printable):
        self.stream, self.change = stream, change
        self.as_is = self if change is str else SafeStream(stream, str)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(self.change(text))
        except BrokenPipeError:  # `| head` has ended: the work goes on without output
            self._to_nowhere()
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except BrokenPipeError:
            self._to_nowhere()

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def _to_nowhere(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def as_is(stream: Any) -> Any:
    """The stream that escapes nothing, to draw on."""
    return getattr(stream, "as_is", stream)


@contextmanager
def safe_terminal() -> Iterator[None]:
    """Within it, stdout and stderr show any text as visible characters, and closed ones drop it.

    Without this, the next file that the program opens would take the place of a closed stream.
    """
    open_closed_streams()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_safe(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def open_closed_streams() -> None:
    for descriptor, name in enumerate(NAMES):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "r" if descriptor == 0 else "w"))


def _safe(stream: Any) -> SafeStream:
    if isinstance(stream, SafeStream):
        return stream
    if hasattr(stream, "reconfigure"):  # characters that the terminal lacks become escapes
        stream.reconfigure(errors="backslashreplace")
    return SafeStream(stream)
