"""Standard streams that work even if they are ASCII only, closed, or a pipe without a reader."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pclhd_jax.system.text import printable

NAMES = ("stdin", "stdout", "stderr")  # by their descriptors: 0, 1, 2


class SafeStream:
    """A stream that makes text printable first. It survives the loss of its reader, or of its disk.

    as_is: the same stream without the change to the text, for progress bars.
    lost: errors that kept text from being written, such as a full disk. A reader that has ended,
      as in `| head`, is none.
    """

    def __init__(self, stream: Any, change: Callable[[str], str] = printable):
        self.stream, self.change = stream, change
        self.lost: list[OSError] = []
        self.as_is = self if change is str else SafeStream(stream, str)
        self.as_is.lost = self.lost

    def write(self, text: str) -> int:
        try:
            return self.stream.write(self.change(text))
        except OSError as error:
            self._to_nowhere(error)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._to_nowhere(error)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def _to_nowhere(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            self.lost.append(error)
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

    A standard stream that is closed would be the next file that the program opens. Work whose
    output could not be written is done all the same, and ends with exit code 1.
    """
    open_closed_streams()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = shown = [_safe(stream) for stream in before]
    try:
        yield
    finally:
        for stream in shown:
            stream.flush()
        sys.stdout, sys.stderr = before
    for stream, name in zip(shown, NAMES[1:], strict=True):
        if stream.lost:
            raise SystemExit(
                f"OSError: {name}: {stream.lost[0].strerror}; the work is done, but what it showed "
                "there is incomplete"
            )


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
