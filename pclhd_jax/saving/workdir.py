"""The folder of a run: whose it is, what it was started with, and its small files.

Of several processes, all check and start a workdir together; process 0 alone reads and writes.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from pclhd_jax.differences import FREE_ON_RESUME, differences
from pclhd_jax.processes.exchange import from_first
from pclhd_jax.saving.disk import on_disk, write_whole
from pclhd_jax.settings import settings_of
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import anything, table_of, text

CONFIG = "config.json"
# Settings that a run of an earlier version does not name, with the value that is as it was before.
CAME_LATER = {"loss.align_weight": 0.0, "model.remat": False, "bn_groups": 1}


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
        (workdir / "metrics.jsonl").unlink(missing_ok=True)  # of the ones before
        shutil.rmtree(workdir / "features", ignore_errors=True)
    for name, content in (("config", config), ("pictures", digests)):
        lines = json.dumps(content, indent=2, sort_keys=True) + "\n"
        write_whole(workdir / f"{name}.json", lines)


def append_line(path: Path, row: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
        on_disk(file)


def read_config(workdir: str | Path) -> dict[str, Any]:
    """The settings that a run left, checked as `settings_of` checks them.

    Raises:
      FileNotFoundError: no config.json.
      ValueError: one that is damaged, or whose settings this version does not take; it names the
        file and the setting.
    """
    config = read_kept_config(workdir)
    try:
        settings_of(config)
    except ValueError as error:
        raise ValueError(f"{Path(workdir) / CONFIG}: {error}") from error
    return config


def read_kept_config(workdir: str | Path) -> dict[str, Any]:
    """The settings that a run left, of any version, unchecked: to be compared with others.

    Those that came after the run stand at what it did without them. Raises as `read_config`, but
    for the values of settings.
    """
    path = Path(workdir) / CONFIG
    if not path.exists():
        raise FileNotFoundError(
            f"no config.json in {workdir}; name the workdir of a run, itself, or bring the file "
            "back: what a run left is read with its settings"
        )
    config = read_json(path, table_of(anything))
    for setting, value in CAME_LATER.items():
        *sections, name = setting.split(".")
        section = config
        for key in sections:
            section = section.get(key) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.setdefault(name, value)
    return config


def read_pictures(workdir: str | Path) -> dict[str, str]:
    """The digests of a run's lists of pictures by split, from pictures.json; none without it.

    Raises ValueError for a file that is damaged, or of another shape.
    """
    path = Path(workdir) / "pictures.json"
    return read_json(path, table_of(text(most=200), most=100)) if path.exists() else {}
