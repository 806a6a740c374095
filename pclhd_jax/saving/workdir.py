"""The folder of a run: whose it is, what it was started with, and its small files.

Of several processes, all check and start a workdir together; process 0 alone reads and writes.
"""

import json
from pathlib import Path
from typing import Any

from pclhd_jax.processes.exchange import from_first
from pclhd_jax.saving.checkpoint_name import checkpoint_ids
from pclhd_jax.saving.disk import write_whole
from pclhd_jax.saving.labelled_features import remove_epochs, saved_epochs
from pclhd_jax.saving.removing import make_way, remove_if_empty
from pclhd_jax.settings.differences import FREE_ON_RESUME, differences
from pclhd_jax.settings.kept import CONFIG, read_kept_config
from pclhd_jax.system.appending import append_text
from pclhd_jax.system.json_files import read_json, read_json_lines
from pclhd_jax.system.json_shapes import record, table_of, text, whole


def has_checkpoint(workdir: str | Path) -> bool:
    """Of a finished epoch or of one under way; the rest of a killed save has a longer name."""
    folders = (Path(workdir) / name for name in ("checkpoints", "unfinished"))
    return any(checkpoint_ids(folder) for folder in folders)


def check_pictures(workdir: str | Path, digests: dict[str, str]) -> list[str]:
    """The splits whose lists are not those the workdir keeps the digests of; writes nothing.

    Raises:
      ValueError: the workdir holds a checkpoint that was trained on other lists.
    """
    return from_first(_check_pictures, Path(workdir), digests)


def _check_pictures(workdir: Path, digests: dict[str, str]) -> list[str]:
    kept = read_pictures(workdir) if (workdir / "pictures.json").exists() else digests
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
    lines = []
    if (workdir / CONFIG).exists():
        lines = differences(read_kept_config(workdir), config, but=FREE_ON_RESUME)
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
        remove_record(workdir)
    for name, content in (("config", config), ("pictures", digests)):
        lines = json.dumps(content, indent=2, sort_keys=True) + "\n"
        write_whole(workdir / f"{name}.json", lines)


def remove_record(workdir: Path) -> None:
    """For a run that has no checkpoint; files of others stay."""
    rows = workdir / "metrics.jsonl"
    make_way(rows, is_record)
    rows.unlink(missing_ok=True)
    remove_epochs(saved_epochs(workdir).values())
    remove_if_empty(workdir / "features")


def is_record(path: Path) -> bool:
    """Whether every line is about an epoch."""
    try:
        read_json_lines(path, record({"epochs_done": whole(0)}), nan=True)
    except (OSError, ValueError):
        return False
    return True


def append_line(path: Path, row: dict[str, Any]) -> None:
    append_text(path, json.dumps(row) + "\n")


def read_pictures(workdir: str | Path) -> dict[str, str]:
    """The digests of a run's lists of pictures by split, from pictures.json; none without it.

    Raises ValueError for a file that is damaged, or of another shape.
    """
    path = Path(workdir) / "pictures.json"
    return read_json(path, table_of(text(most=200), most=100)) if path.exists() else {}
