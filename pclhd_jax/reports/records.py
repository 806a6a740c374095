"""What a run leaves to read: one JSON line per epoch, and TensorBoard curves.

Of several processes, process 0 alone reads and writes.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pclhd_jax.processes.exchange import from_first, is_first
from pclhd_jax.reports.curves import Curves, Shown
from pclhd_jax.saving.disk import write_whole
from pclhd_jax.saving.workdir import append_line
from pclhd_jax.system.json_files import read_json_lines
from pclhd_jax.system.json_shapes import list_of, real, record, table_of, whole
from pclhd_jax.system.private_files import make_private_folder

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


class Records:
    """`metrics.jsonl` and TensorBoard of one run."""

    def __init__(
        self,
        workdir: Path,
        *,
        epochs_done: int,
        last_row: dict[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        """Keep the lines of the first `epochs_done` epochs: a killed run may have written more.

        last_row: of the last of them, from its checkpoint: a power cut may have taken its line.
        settings: to be shown in TensorBoard, from the next epoch on.
        """
        self.path = workdir / "metrics.jsonl"
        self.timing_path = workdir / "timing.jsonl"
        self.has_rows = from_first(self._open, workdir, epochs_done, last_row, settings)

    def _open(
        self,
        workdir: Path,
        epochs_done: int,
        last_row: dict[str, Any] | None,
        settings: Mapping[str, Any] | None,
    ) -> bool:
        kept = [row for row in read_records(workdir) if row["epochs_done"] <= epochs_done]
        if last_row is not None and (not kept or kept[-1]["epochs_done"] < epochs_done):
            kept.append(last_row)
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        make_private_folder(workdir / "tensorboard")  # it shows pictures of people
        self.curves = Curves(workdir / "tensorboard", purge_step=epochs_done + 1)
        if settings is not None:
            self.curves.write_settings(settings, epochs_done + 1)
        return bool(kept)

    def write(self, row: dict[str, Any], show: Callable[[], Shown] | None = None) -> None:
        """Append one epoch; `row['epochs_done']` is its number.

        show: draws what TensorBoard gets beside; called by process 0.
        """
        from_first(self._write, row, show)

    def _write(self, row: dict[str, Any], show: Callable[[], Shown] | None) -> None:
        append_line(self.path, row)
        self.curves.write(flatten(row), row["epochs_done"])
        if show is not None:
            self.curves.write_shown(show(), row["epochs_done"])

    def write_timing(
        self, epochs_done: int, seconds: dict[str, float], waiting: dict[str, float]
    ) -> None:
        """seconds: of the epoch's parts. waiting: of them without work for the device, by cause.

        In a file of its own, so that `metrics.jsonl` says nothing that differs between two runs of
        one seed; and written last, when the epoch is saved. By process 0 alone.
        """
        row = {"epochs_done": epochs_done, **seconds, "waiting": waiting}
        append_line(self.timing_path, row)
        scalars = flatten(seconds, "seconds/") + flatten(waiting, "waiting/")
        self.curves.write(scalars, epochs_done)

    def close(self) -> None:
        if is_first():
            self.curves.close()


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
