"""TensorBoard curves, written at once: no thread that dies unseen when the disk is full."""

import os
import time
from pathlib import Path


class Curves:
    """One event file of a run."""

    def __init__(self, folder: Path, *, purge_step: int):
        """purge_step: what an earlier file of the folder shows from this step on is void."""
        # Here: not every machine that computes has it.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar

        self.event, self.scalar = Event, scalar
        folder.mkdir(parents=True, exist_ok=True)
        # The writer's own name has whole seconds: two starts within one must not meet.
        self.writer = EventsWriter(str(folder / "events"), f".{os.getpid()}-{time.time_ns()}")
        start = SessionLog(status=SessionLog.START)
        self.writer.write_event(Event(wall_time=time.time(), step=purge_step, session_log=start))
        self.writer.flush()

    def write(self, scalars: list[tuple[str, float]], step: int) -> None:
        for name, value in scalars:
            summary = self.scalar(name, value)
            self.writer.write_event(self.event(wall_time=time.time(), step=step, summary=summary))
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
