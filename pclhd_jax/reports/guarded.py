"""One writer, kept from ending or falsifying a run: its first failure switches it off.

What it wrote is noted beside the run, so that the next start writes what is missing, from
`metrics.jsonl`, and nothing twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pclhd_jax.processes.progress import say
from pclhd_jax.reports.kept_runs import NOTHING, KeptRun, keep_run, kept_run
from pclhd_jax.reports.record_writers import Epoch, Kind, RecordWriter, Start
from pclhd_jax.system.text import printable

LONGEST = 300  # characters of an error: some quote a whole answer of a server


class Guarded:
    """The writer of a word of `config.writers`; none of its methods raises an Exception or ends the
    run."""

    def __init__(self, word: str, kind: Kind, start: Start, rows: Sequence[Epoch]):
        """rows: the epochs of `metrics.jsonl`, the numbers alone."""
        self.word, self.kind, self.workdir = word, kind, start.workdir
        self.writer: RecordWriter | None = None
        with self._switched_off_by_errors():
            kept = kept_run(self.workdir, word) if rows else NOTHING
            self.writer = kind.open(start._replace(run=kept.run, has=kept.has))
            for row in rows:
                if row.epochs_done > self.writer.has:
                    self._write(row)

    def write(self, epoch: Epoch) -> None:
        if self.writer is not None:
            with self._switched_off_by_errors():
                self._write(epoch)

    def close(self, finished: bool) -> None:
        if self.writer is not None:
            with self._switched_off_by_errors():
                self.writer.close(finished)
        self.writer = None

    def _write(self, epoch: Epoch) -> None:
        self.writer.write(epoch)
        keep_run(self.workdir, self.word, KeptRun(self.writer.run, epoch.epochs_done))

    @contextmanager
    def _switched_off_by_errors(self) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:  # of any library, disk or network
            self.writer = None
            why = printable(" ".join(f"{type(error).__name__}: {error}".split()))[:LONGEST]
            say(
                f"WARNING: the run goes on without {self.word}, up to its next start, because it "
                f"failed ({why}). metrics.jsonl has every number"
            )
