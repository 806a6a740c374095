"""ctrl-C while modules are imported, which takes seconds."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_S = 0.1  # until it is tried again
LONGEST_S = 5.0  # an import may hang


@contextmanager
def imports_first() -> Iterator[None]:
    """Within it ctrl-C waits for the import under way, for five seconds at most.

    An extension that is interrupted as it starts ends the process, or calls itself broken.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not on_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _Interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Interrupt:
    first_s: float | None = None  # when the user asked

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.first_s = self.first_s or time.monotonic()
        if not _importing(frame) or time.monotonic() > self.first_s + LONGEST_S:
            signal.default_int_handler(number, frame)
        again = threading.Timer(AGAIN_S, _to_main_thread, [number])
        again.daemon = True
        again.start()


def _to_main_thread(number: int) -> None:
    if hasattr(signal, "pthread_kill"):  # wakes it where it waits
        signal.pthread_kill(threading.main_thread().ident, number)
    else:  # on Windows
        signal.raise_signal(number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
