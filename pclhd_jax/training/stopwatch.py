"""Where the time of an epoch goes, and how much of it the devices waited."""

import time

from pclhd_jax.processes.compiling import seconds_compiling
from pclhd_jax.training.feed import seconds_without_batch

# The host works and the devices have nothing to do.
HOST_PARTS = ("clustering", "records", "saves", "scoring")


class Stopwatch:
    """Seconds of the parts of an epoch; a part may come several times."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """From zero, at the beginning of an epoch."""
        self._parts: dict[str, float] = {}
        self._host = dict.fromkeys(HOST_PARTS, 0.0)
        self._compiled = self._compiled_before = seconds_compiling()
        self._without_batch_before = seconds_without_batch()
        self._last = time.monotonic()

    def lap(self, part: str) -> None:
        """What was done since the last lap, or the start, belongs to `part`."""
        now, compiled = time.monotonic(), seconds_compiling()
        self._parts[part] = self._parts.get(part, 0.0) + now - self._last
        if part in HOST_PARTS:
            self._host[part] += max(0.0, now - self._last - (compiled - self._compiled))
        self._last, self._compiled = now, compiled

    def seconds(self) -> dict[str, float]:
        """By part; together all since `start`."""
        return _rounded(self._parts)

    def waiting(self) -> dict[str, float]:
        """Of all since `start`, by what the devices waited for.

        At most what they did wait: not counted are gaps within the other parts that the host
        cannot see, such as those between two kernels. On a CPU the "devices" are the same cores.
        """
        causes = {
            "compilation": seconds_compiling() - self._compiled_before,
            "pictures": seconds_without_batch() - self._without_batch_before,
        }
        return _rounded(causes | self._host)


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(s, 3) for name, s in seconds.items()}
