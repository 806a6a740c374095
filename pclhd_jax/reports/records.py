"""What a run leaves to read: its config, one JSON line per epoch, TensorBoard curves.

Of several processes, all check and start a workdir together; process 0 alone reads and writes.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from pclhd_jax.processes.exchange import from_first, is_first
from pclhd_jax.reports.curves import Curves
from pclhd_jax.saving.disk import on_disk, write_whole

# Where things lie: free to differ between machines. `check_pictures` minds what they hold.
PLACES = tuple(f"config.data.{name}:" for name in ("source", "prepared", "cache"))
# Settings that a resumed run may change.
FREE = PLACES + tuple(
    f"config.{name}:" for name in ("keep_checkpoints", "keep_features", "checkpoint_every_steps")
)


def has_checkpoint(workdir: str | Path) -> bool:
    """Of a finished epoch or of one under way; the rest of a killed save has a longer name."""
    folders = (Path(workdir) / name for name in ("checkpoints", "unfinished"))
    return any(path.name.isdecimal() for folder in folders for path in folder.glob("*"))


def check_pictures(workdir: str | Path, digests: dict[str, str]) -> list[str]:
    """The splits whose lists are not those the workdir keeps the digests of; writes nothing.

    Raises:
      ValueError: the workdir holds a checkpoint that was trained on other lists.
    """
    return from_first(_check_pictures, Path(workdir), digests)


def _check_pictures(workdir: Path, digests: dict[str, str]) -> list[str]:
    path = workdir / "pictures.json"
    kept = read_json(path) if path.exists() else digests
    changed = sorted(s for s in kept.keys() | digests.keys() if kept.get(s) != digests.get(s))
    if changed and has_checkpoint(workdir):
        raise ValueError(
            f"{workdir} was trained on other lists of pictures ({', '.join(changed)} differ); "
            "bring the pictures back, or name another --workdir"
        )
    return changed


def check_workdir(
    workdir: str | Path, config: dict[str, Any], *, accept_changes: bool = False
) -> list[str]:
    """How the settings of `workdir` differ from `config`, a line each; writes nothing.

    Raises:
      ValueError: the workdir holds a checkpoint of other settings (they are listed), and
        `accept_changes` is not given.
    """
    return from_first(_check_workdir, Path(workdir), config, accept_changes)


def _check_workdir(workdir: Path, config: dict[str, Any], accept_changes: bool) -> list[str]:
    path = workdir / "config.json"
    lines = config_difference(read_json(path), config) if path.exists() else []
    lines = [line for line in lines if not line.startswith(FREE)]
    if lines and has_checkpoint(workdir) and not accept_changes:
        raise ValueError(
            f"{workdir} belongs to a run with other settings:\n  "
            + "\n  ".join(lines)
            + "\nname another --workdir, remove that one, or go on with the new settings: "
            "--accept_changes"
        )
    return lines


def start_workdir(
    workdir: str | Path,
    config: dict[str, Any],
    digests: dict[str, str],
    *,
    accept_changes: bool = False,
    epochs_done: int = 0,
) -> None:
    """Make `workdir` with `config.json` and `pictures.json`. Raises as the two checks.

    A workdir without a checkpoint has nothing to lose: it takes new settings and pictures. One
    with a checkpoint, of `epochs_done`, notes the settings in `changes.jsonl`.
    """
    from_first(_start_workdir, Path(workdir), config, digests, accept_changes, epochs_done)


def _start_workdir(
    workdir: Path,
    config: dict[str, Any],
    digests: dict[str, str],
    accept_changes: bool,
    epochs_done: int,
) -> None:
    lines = _check_workdir(workdir, config, accept_changes)
    other_pictures = _check_pictures(workdir, digests)
    workdir.mkdir(parents=True, exist_ok=True)
    if has_checkpoint(workdir):
        if lines:
            append_line(workdir / "changes.jsonl", {"epochs_done": epochs_done, "changes": lines})
    elif lines or other_pictures:
        (workdir / "metrics.jsonl").unlink(missing_ok=True)  # of the ones before
        shutil.rmtree(workdir / "features", ignore_errors=True)
    for name, content in (("config", config), ("pictures", digests)):
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        write_whole(workdir / f"{name}.json", text)


def config_difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """One line per setting that differs, named by its path from the root."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        name = prefix + key
        before, now = old.get(key, "(absent)"), new.get(key, "(absent)")
        if isinstance(before, dict) and isinstance(now, dict):
            lines += config_difference(before, now, f"{name}.")
        # JSON turns tuples into lists; compare what would be written.
        elif json.dumps(before) != json.dumps(now):
            lines.append(f"config.{name}: there {before!r}, here {now!r}")
    return lines


class Records:
    """`metrics.jsonl` and TensorBoard of one run."""

    def __init__(self, workdir: Path, *, epochs_done: int, last_row: dict[str, Any] | None = None):
        """Keep the lines of the first `epochs_done` epochs: a killed run may have written more.

        last_row: of the last of them, from its checkpoint: a power cut may have taken its line.
        """
        self.path = workdir / "metrics.jsonl"
        self.timing_path = workdir / "timing.jsonl"
        self.has_rows = from_first(self._open, workdir, epochs_done, last_row)

    def _open(self, workdir: Path, epochs_done: int, last_row: dict[str, Any] | None) -> bool:
        kept = [row for row in read_records(workdir) if row["epochs_done"] <= epochs_done]
        if last_row is not None and (not kept or kept[-1]["epochs_done"] < epochs_done):
            kept.append(last_row)
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self.curves = Curves(workdir / "tensorboard", purge_step=epochs_done + 1)
        return bool(kept)

    def write(self, row: dict[str, Any], seconds: dict[str, float] | None = None) -> None:
        """Append one epoch; `row['epochs_done']` is its number.

        seconds: of the epoch's parts. They go to `timing.jsonl`, so that `metrics.jsonl`
        says nothing that differs between two runs of one seed.
        """
        from_first(self._write, row, seconds)

    def _write(self, row: dict[str, Any], seconds: dict[str, float] | None) -> None:
        append_line(self.path, row)
        scalars = flatten(row)
        if seconds is not None:
            append_line(self.timing_path, {"epochs_done": row["epochs_done"], **seconds})
            scalars += flatten(seconds, "seconds/")
        self.curves.write(scalars, row["epochs_done"])

    def close(self) -> None:
        if is_first():
            self.curves.close()


def append_line(path: Path, row: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
        on_disk(file)


def read_json(path: Path) -> Any:
    """Raises ValueError, with the remedy, for a file that is not whole."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); bring it back from a backup, or name another --workdir"
        ) from error


def read_records(workdir: str | Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`; none if there is no such file. A torn last line is left out.

    Raises:
      ValueError: a line that is damaged.
    """
    path = Path(workdir) / "metrics.jsonl"
    if not path.exists():
        return []
    # A kill can tear only the last line, which has no newline then.
    rows = []
    for number, line in enumerate(path.read_text().split("\n")[:-1], 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number} is damaged ({error}); if it is the last one, remove it: "
                "the run writes it again"
            ) from error
    return rows


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
