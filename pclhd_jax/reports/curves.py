"""TensorBoard curves, written at once: no thread that dies unseen when the disk is full."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.reports.thumbnails import encoded
from pclhd_jax.system.private_files import make_private

MOST_BINS = 64


class Shown(NamedTuple):
    """What an epoch shows in TensorBoard beside its numbers; either may be empty."""

    sizes: dict[str, np.ndarray]  # pictures in each cluster, by what was clustered
    rank_lists: dict[str, np.ndarray]  # pictures, uint8 (H, W, 3), by query


class Curves:
    """One event file of a run."""

    def __init__(self, folder: Path, *, purge_step: int):
        """purge_step: what an earlier file of the folder shows from this step on is void."""
        # Here: not every machine that computes has it.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.summary import histogram, scalar, text

        self.event, self.summary = Event, Summary
        self.scalar, self.histogram, self.text = scalar, histogram, text
        folder.mkdir(parents=True, exist_ok=True)
        # The writer's own name has whole seconds: two starts within one must not meet.
        self.writer = EventsWriter(str(folder / "events"), f".{os.getpid()}-{time.time_ns()}")
        make_private(self.writer._file_name)  # what it will show tells of people
        start = SessionLog(status=SessionLog.START)
        self.writer.write_event(Event(wall_time=time.time(), step=purge_step, session_log=start))
        self.writer.flush()

    def write(self, scalars: list[tuple[str, float]], step: int) -> None:
        for name, value in scalars:
            self._add(self.scalar(name, value), step)
        self.writer.flush()

    def write_settings(self, settings: Mapping[str, Any], step: int) -> None:
        """A table of every setting under the tab of texts."""
        rows = [f"|`config.{name}`|`{value!r}`|" for name, value in paths_of(settings)]
        self._add(self.text("settings", "\n".join(["|setting|value|", "|-|-|", *rows])), step)
        self.writer.flush()

    def write_shown(self, shown: Shown, step: int) -> None:
        for name, size_K in shown.sizes.items():
            if len(size_K):  # a histogram of nothing is refused
                summary = self.histogram(f"cluster_sizes/{name}", size_K, edges_of(size_K))
                self._add(summary, step)
        for name, picture_HWC in shown.rank_lists.items():
            height, width = picture_HWC.shape[:2]
            image = self.summary.Image(
                height=height,
                width=width,
                colorspace=3,
                encoded_image_string=encoded(picture_HWC, "jpeg"),
            )
            value = self.summary.Value(tag=f"rank_lists/{name}", image=image)
            self._add(self.summary(value=[value]), step)
        self.writer.flush()

    def _add(self, summary: Any, step: int) -> None:
        self.writer.write_event(self.event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        self.writer.close()


def edges_of(size_K: np.ndarray) -> np.ndarray:
    """Ends of the bins: one for each size, or `MOST_BINS` of equal width."""
    low, high = size_K.min() - 0.5, size_K.max() + 0.5
    return np.linspace(low, high, min(MOST_BINS, int(high - low)) + 1)


def paths_of(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(path, value) of every leaf."""
    pairs = []
    for key, value in settings.items():
        is_section = isinstance(value, Mapping)
        pairs += paths_of(value, f"{prefix}{key}.") if is_section else [(prefix + key, value)]
    return pairs
