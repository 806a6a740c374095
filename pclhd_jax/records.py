"""What a run leaves to read: its config, one JSON line per epoch, TensorBoard curves."""

import json
import os
from pathlib import Path
from typing import Any

# Settings that a resumed run may change: where things lie. `check_pictures` minds what they hold.
FREE = tuple(
    f"config.{name}:" for name in ("data.source", "data.prepared", "data.cache", "keep_checkpoints")
)


def has_checkpoint(workdir: str | Path) -> bool:
    """A finished one: the rest of a killed save has a longer name."""
    return any(path.name.isdecimal() for path in Path(workdir).glob("checkpoints/*"))


def check_pictures(workdir: str | Path, digests: dict[str, str]) -> None:
    """Keep the digests of the picture lists, or compare them with those that were kept.

    Raises:
      ValueError: the workdir holds a checkpoint that was trained on other lists.
    """
    path = Path(workdir) / "pictures.json"
    kept = json.loads(path.read_text()) if path.exists() else digests
    changed = sorted(s for s in kept.keys() | digests.keys() if kept.get(s) != digests.get(s))
    if changed and has_checkpoint(workdir):
        raise ValueError(
            f"{workdir} was trained on other lists of pictures ({', '.join(changed)} differ); "
            "bring the pictures back, or name another --workdir"
        )
    write_whole(path, json.dumps(digests, indent=2, sort_keys=True) + "\n")


def check_workdir(workdir: str | Path, config: dict[str, Any]) -> list[str]:
    """How the settings of `workdir` differ from `config`, a line each; writes nothing.

    Raises:
      ValueError: the workdir holds a checkpoint of other settings (they are listed).
    """
    path = Path(workdir) / "config.json"
    lines = config_difference(json.loads(path.read_text()), config) if path.exists() else []
    lines = [line for line in lines if not line.startswith(FREE)]
    if lines and has_checkpoint(workdir):
        raise ValueError(
            f"{workdir} belongs to a run with other settings:\n  "
            + "\n  ".join(lines)
            + "\nname another --workdir, or remove that one"
        )
    return lines


def start_workdir(workdir: str | Path, config: dict[str, Any]) -> Path:
    """Make `workdir` with `config.json`. Raises as `check_workdir`.

    A workdir without a checkpoint has nothing to lose: it takes the new settings.
    """
    lines = check_workdir(workdir, config)
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    if lines:
        (workdir / "metrics.jsonl").unlink(missing_ok=True)  # of the settings before
    write_whole(workdir / "config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
    return workdir


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

    def __init__(self, workdir: Path, *, epochs_done: int):
        """Keep the lines of the first `epochs_done` epochs: a killed run may have written more."""
        from tensorboardX import SummaryWriter  # here: not every machine that computes has it

        self.path = workdir / "metrics.jsonl"
        kept = [row for row in read_records(workdir) if row["epochs_done"] <= epochs_done]
        write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self.has_rows = bool(kept)
        self.timing_path = workdir / "timing.jsonl"
        self.tensorboard = SummaryWriter(str(workdir / "tensorboard"), purge_step=epochs_done + 1)

    def write(self, row: dict[str, Any], seconds: dict[str, float] | None = None) -> None:
        """Append one epoch; `row['epochs_done']` is its number.

        seconds: of the epoch's parts. They go to `timing.jsonl`, so that `metrics.jsonl`
        says nothing that differs between two runs of one seed.
        """
        append_line(self.path, row)
        scalars = flatten(row)
        if seconds is not None:
            append_line(self.timing_path, {"epochs_done": row["epochs_done"], **seconds})
            scalars += flatten(seconds, "seconds/")
        for name, value in scalars:
            self.tensorboard.add_scalar(name, value, row["epochs_done"])
        self.tensorboard.flush()

    def close(self) -> None:
        self.tensorboard.close()


def write_whole(path: Path, text: str) -> None:
    """Write beside `path`, then rename: a kill leaves the old file or the new one."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    os.replace(beside, path)


def append_line(path: Path, row: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def read_records(workdir: str | Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`; none if there is no such file. A torn last line is left out."""
    path = Path(workdir) / "metrics.jsonl"
    if not path.exists():
        return []
    # A kill can tear only the last line, which has no newline then.
    complete = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in complete]


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
