"""What a run leaves to read: one JSON line per epoch, and what writers make of it.

Of several processes, process 0 alone reads and writes.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.processes.exchange import from_first
from pclhd_jax.reports.guarded import Guarded
from pclhd_jax.reports.record_writers import Epoch, Kind, Start
from pclhd_jax.saving.disk import write_whole
from pclhd_jax.saving.workdir import append_line
from pclhd_jax.system.json_files import read_json_lines
from pclhd_jax.system.json_shapes import list_of, real, record, table_of, whole

SHARE = real(0, 1)
SCORE = record(
    {"cmc": list_of(SHARE, least=20, most=20), "mean_ap": SHARE, "mean_inp": SHARE},
    {
        "num_queries": whole(0),
        "num_trials": whole(1),
        "num_valid": list_of(whole(0), least=1),
        "gallery_size": list_of(whole(0), least=1),
        "rank1_std": SHARE,
        "mean_ap_std": SHARE,
    },
)
NUMBERS = table_of(real(finite=False))


def numbers_in_tables(value: Any, where: str) -> None:
    """A table of numbers, or of such tables: norm.hard, cosine.hard.cross."""
    inner = isinstance(value, dict)
    (table_of(numbers_in_tables) if inner else real(finite=False))(value, where)


ROW = record(
    {"epochs_done": whole(0)},
    {
        "stage": whole(1, 2),
        "epoch": whole(0),
        "evaluation": table_of(SCORE),
        "losses": NUMBERS,
        "gradients": table_of(numbers_in_tables),
        "clusters": table_of(NUMBERS),
        "prototypes": table_of(NUMBERS),
    },
)

SECONDS = real(0)
# A line of timing.jsonl.
TIMING = record({"epochs_done": whole(0)}, {"waiting": table_of(SECONDS)}, others=SECONDS)


class Shown(NamedTuple):
    """What an epoch shows beside its numbers; either may be empty."""

    sizes: dict[str, np.ndarray]  # pictures in each cluster, by what was clustered
    rank_lists: dict[str, np.ndarray]  # pictures, uint8 (H, W, 3), by query


class Records:
    """`metrics.jsonl`, `timing.jsonl`, and what the writers make of them; a context manager.

    An error of `metrics.jsonl` ends the run, one of a writer does not: see `guarded`.
    """

    def __init__(
        self,
        workdir: Path,
        kinds: Mapping[str, Kind] | None = None,
        *,
        epochs_done: int,
        last_row: dict[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        send_pictures: bool = False,
    ):
        """Keep the lines of the first `epochs_done` epochs: a killed run may have written more.

        kinds: of writers, by their words. last_row: of the last of the epochs, from its checkpoint:
        a power cut may have taken its line. settings: for the writers. send_pictures: also to
        those that are not local.
        """
        self.workdir, self.kinds, self.send_pictures = workdir, kinds or {}, send_pictures
        self.path = workdir / "metrics.jsonl"
        self.timing_path = workdir / "timing.jsonl"
        self.writers: list[Guarded] = []
        self.waiting: dict[int, Epoch] = {}  # for their epoch to be saved
        self.has_rows = from_first(self._open, epochs_done, last_row, settings or {})

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        for writer in self.writers:
            writer.close(finished=error is None)

    def _open(
        self, epochs_done: int, last_row: dict[str, Any] | None, settings: Mapping[str, Any]
    ) -> bool:
        kept = [row for row in read_records(self.workdir) if row["epochs_done"] <= epochs_done]
        if last_row is not None and (not kept or kept[-1]["epochs_done"] < epochs_done):
            kept.append(last_row)
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        rows = [Epoch(row["epochs_done"], dict(flatten(row))) for row in kept]
        last = kept[-1]["epochs_done"] if kept else -1
        start = Start(self.workdir, dict(paths_of(settings)), last)
        self.writers = [Guarded(word, kind, start, rows) for word, kind in self.kinds.items()]
        return bool(kept)

    def write(self, row: dict[str, Any], show: Callable[[], Shown] | None = None) -> None:
        """Append one epoch; `row['epochs_done']` is its number. Writers get it once it is saved.

        show: draws what writers get beside; called by process 0.
        """
        from_first(self._write, row, show)

    def _write(self, row: dict[str, Any], show: Callable[[], Shown] | None) -> None:
        append_line(self.path, row)
        epoch = Epoch(row["epochs_done"], dict(flatten(row)))
        if self.writers and show is not None:
            epoch = with_shown(epoch, show())
        if epoch.epochs_done:
            self.waiting[epoch.epochs_done] = epoch
        else:  # the untrained encoder: nothing is saved
            self._give(epoch)

    def write_saved(
        self, epochs_done: int, seconds: dict[str, float], waiting: dict[str, float], text: str
    ) -> None:
        """An epoch is saved: its line of `timing.jsonl`, and all of it to the writers.

        seconds: of the epoch's parts. waiting: of them without work for the device, by cause.
        text: what the terminal tells of the epoch. By process 0 alone.

        The seconds have a file of their own, so that `metrics.jsonl` says nothing that differs
        between two runs of one seed.
        """
        row = {"epochs_done": epochs_done, **seconds, "waiting": waiting}
        append_line(self.timing_path, row)
        times = dict(flatten(seconds, "seconds/") + flatten(waiting, "waiting/"))
        epoch = self.waiting.pop(epochs_done)
        self._give(epoch._replace(scalars={**epoch.scalars, **times}, texts={"log": text}))

    def _give(self, epoch: Epoch) -> None:
        for writer in self.writers:
            sees_people = writer.kind.is_local or self.send_pictures
            writer.write(epoch if sees_people else epoch._replace(pictures={}))


def with_shown(epoch: Epoch, shown: Shown) -> Epoch:
    # Of an epoch without a cluster there is no histogram.
    sizes = {f"cluster_sizes/{name}": size_K for name, size_K in shown.sizes.items() if len(size_K)}
    pictures = {f"rank_lists/{name}": picture for name, picture in shown.rank_lists.items()}
    return epoch._replace(sizes=sizes, pictures=pictures)


def read_records(workdir: str | Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`; none if there is no such file. A torn last line is left out.

    Raises:
      ValueError: a line is damaged or not a record; the text names the file, the line, the field.
    """
    path = Path(workdir) / "metrics.jsonl"
    if not path.exists():
        return []
    remedy = "if it is the last line, remove it: the run writes it again"
    return read_json_lines(path, ROW, remedy=remedy, nan=True)


def flatten(row: dict[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """(path, number) of every number in a nested dict, and four ranks of a CMC."""
    pairs = []
    for key, value in row.items():
        if isinstance(value, dict):
            pairs += flatten(value, f"{prefix}{key}/")
        elif key == "cmc":
            pairs += [(f"{prefix}rank{rank}", value[rank - 1]) for rank in (1, 5, 10, 20)]
        elif isinstance(value, int | float):
            pairs.append((prefix + key, value))
    return pairs


def paths_of(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(path, value) of every leaf."""
    pairs = []
    for key, value in settings.items():
        is_section = isinstance(value, Mapping)
        pairs += paths_of(value, f"{prefix}{key}.") if is_section else [(prefix + key, value)]
    return pairs
