"""A line now and then for anything that takes more than a few seconds."""

import socket
import sys
import time

from pclhd_jax.processes.exchange import is_alone, is_first, number


class Progress:
    """Prints how far, how fast and how long still; nothing if all is done in time.

    `progress(done, total)` may be called as often as one likes.
    """

    def __init__(self, what: str, unit: str = "images", every_s: float = 5.0):
        self.what, self.unit, self.every_s = what, unit, every_s
        self.started = self.printed = time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if now - self.printed < self.every_s:
            return
        self.printed = now
        rate = done / (now - self.started)
        left = (total - done) / rate if rate > 0 else float("nan")
        say(
            f"{self.what}: {done:,}/{total:,} {self.unit}, {rate:,.0f} {self.unit}/s, "
            f"{clock(left)} left{note}"
        )


def say(line: str) -> None:
    """One line to the terminal, at once (a pipe would hold it back); from process 0 alone."""
    if is_first():
        print(line, file=sys.stdout, flush=True)


def tell(line: str) -> None:
    """One line from whichever process this is, of several with its number; to stderr."""
    who = "" if is_alone() else f"process {number()} ({socket.gethostname()}): "
    print(who + line, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """1:02:03 or 2:03."""
    if seconds != seconds:
        return "?"
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
