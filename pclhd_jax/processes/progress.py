"""What a run tells while it works: lines, and for anything of more than a few seconds, progress."""

import socket
import sys
import time

from tqdm.auto import tqdm

from pclhd_jax.processes.exchange import is_alone, is_first, number
from pclhd_jax.system.terminal import as_is
from pclhd_jax.system.text import printable


class Progress:
    """How far, how fast, how long still: a bar on a terminal and in a notebook, lines in a log.

    `progress(done, total, note)` may be called as often as one likes; nothing shows if all is done
    in `after_s` (a bar) or `every_s` (a line) seconds. The bar goes when all is done or `close` is
    called.
    """

    def __init__(
        self, what: str, unit: str = "images", *, every_s: float = 5.0, after_s: float = 1.0
    ):
        self.what, self.unit, self.every_s, self.after_s = what, unit, every_s, after_s
        self.started = self.printed = time.monotonic()
        self.bar: tqdm | None = None

    def __call__(self, done: int, total: int, note: str = "") -> None:
        if is_first() and shows_bars():
            self._bar(done, total, note)
        else:
            self._line(done, total, note)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _bar(self, done: int, total: int, note: str) -> None:
        if self.bar is None:
            self.bar = tqdm(
                desc=printable(self.what),
                total=total,
                unit=f" {self.unit}",
                unit_scale=total >= 100_000,
                delay=self.after_s,
                leave=False,
                dynamic_ncols=True,
                file=as_is(sys.stdout),
            )
        self.bar.set_postfix_str(printable(note).removeprefix(", "), refresh=False)
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()

    def _line(self, done: int, total: int, note: str) -> None:
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


def shows_bars() -> bool:
    """Whether somebody looks on: a terminal, or a notebook."""
    if sys.stdout is None:
        return False
    return sys.stdout.isatty() or "ipykernel" in sys.modules


def say(line: str) -> None:
    """One line to the terminal, at once (a pipe would hold it back); from process 0 alone."""
    stream = sys.stdout  # None where there is no terminal, or while another thread silences it
    if is_first() and stream is not None:
        tqdm.write(printable(line), file=as_is(stream))  # above a bar, if there is one
        stream.flush()


def tell(line: str) -> None:
    """One line from whichever process this is, of several with its number; to stderr."""
    who = "" if is_alone() else f"process {number()} ({socket.gethostname()}): "
    print(printable(who + line), file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """1:02:03 or 2:03."""
    if seconds != seconds:
        return "?"
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
