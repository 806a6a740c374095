"""SIGTERM and SIGINT: the first one asks the run to save and stop, the second ends it at once."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

from pclhd_jax.processes.exchange import gather, is_alone
from pclhd_jax.processes.progress import tell

SIGNALS = (signal.SIGTERM, signal.SIGINT)
AGREE_EVERY = 8  # checks of several processes: each time would keep devices from working ahead


class Interrupted(KeyboardInterrupt):
    """Raised where a run stops because it was asked to; what it needs to go on is saved.

    exit_code: 128 + the signal's number, as shells report it: 143 SIGTERM, 130 SIGINT.
    """

    def __init__(self, signum: int):
        self.exit_code = 128 + signum
        super().__init__(f"stopped by {signal.Signals(signum).name}; the same command goes on")


class Interrupts:
    """Context manager: `asked` is the number of the first signal that came, 0 before.

    Of several processes, one that is asked stops all, at the same call of `check`.

    Outside the main thread, where Python gives no signals, nothing is caught.
    """

    def __enter__(self) -> "Interrupts":
        self.asked = self.checks = 0
        self.before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self.before = {s: signal.signal(s, self._ask) for s in SIGNALS}
        return self

    def __exit__(self, *_: Any) -> None:
        for signum, handler in self.before.items():
            signal.signal(signum, handler)

    def _ask(self, signum: int, _: FrameType | None) -> None:
        self.asked = signum
        # Python's own handlers would wait for the end of a long call into compiled code.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # A notebook's kernel, with all that is in it, is not to end.
        in_notebook = "ipykernel" in sys.modules
        again = signal.default_int_handler if in_notebook else signal.SIG_DFL
        signal.signal(signal.SIGINT, again)
        tell(
            f"{signal.Signals(signum).name}: saving after the current step; "
            "a second signal ends the run at once"
        )

    def check(self) -> None:
        """Raises Interrupted if a signal has come."""
        self.checks += 1
        if not is_alone() and self.checks % AGREE_EVERY:
            return
        asked = max(gather(self.asked))
        if asked:
            raise Interrupted(asked)
