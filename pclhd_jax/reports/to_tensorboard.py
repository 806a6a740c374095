"""TensorBoard's files, written at once: no thread that dies unseen when the disk is full."""

import os
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from pclhd_jax.reports.histogram_edges import edges_of
from pclhd_jax.reports.record_writers import Epoch, Start
from pclhd_jax.reports.thumbnails import encoded
from pclhd_jax.system.private_files import make_private, make_private_folder


class TensorBoard:
    """One event file of a run, in the workdir's folder `tensorboard`."""

    run = ""  # the folder is in the workdir

    def __init__(self, start: Start):
        # Here: not every machine that computes has it.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.summary import histogram, scalar, text

        self.event, self.summary = Event, Summary
        self.scalar, self.histogram, self.text = scalar, histogram, text
        folder = start.workdir / "tensorboard"
        make_private_folder(folder)  # it shows pictures of people
        # Earlier versions noted nothing: their files are complete.
        self.has = start.last if start.has < 0 and any(folder.iterdir()) else start.has
        # The writer's own name has whole seconds: two starts within one must not meet.
        self.writer = EventsWriter(str(folder / "events"), f".{os.getpid()}-{time.time_ns()}")
        make_private(self.writer._file_name)
        session = SessionLog(status=SessionLog.START)  # from there on, earlier files are void
        first = start.last + 1
        self.writer.write_event(Event(wall_time=time.time(), step=first, session_log=session))
        if start.settings:
            self._add(self.text("settings", table_of(start.settings)), first)
        self.writer.flush()

    def write(self, epoch: Epoch) -> None:
        for name, value in epoch.scalars.items():
            self._add(self.scalar(name, value), epoch.epochs_done)
        for name, size_K in epoch.sizes.items():
            self._add(self.histogram(name, size_K, edges_of(size_K)), epoch.epochs_done)
        for name, picture_HWC in epoch.pictures.items():
            self._add(self._image(name, picture_HWC), epoch.epochs_done)
        for name, text in epoch.texts.items():
            self._add(self.text(name, f"```\n{text}\n```"), epoch.epochs_done)
        self.writer.flush()

    def close(self, finished: bool) -> None:
        self.writer.close()

    def _image(self, name: str, picture_HWC: np.ndarray) -> Any:
        height, width = picture_HWC.shape[:2]
        data = encoded(picture_HWC, "jpeg")
        image = self.summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=data
        )
        return self.summary(value=[self.summary.Value(tag=name, image=image)])

    def _add(self, summary: Any, step: int) -> None:
        self.writer.write_event(self.event(wall_time=time.time(), step=step, summary=summary))


def table_of(settings: Mapping[str, Any]) -> str:
    rows = [f"|`config.{name}`|`{value!r}`|" for name, value in settings.items()]
    return "\n".join(["|setting|value|", "|-|-|", *rows])
