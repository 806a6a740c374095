"""Decides whether a folder is a workdir. A run writes and removes files only in a workdir.

A run writes `pclhd-run.json` into its workdir. A folder without this file is accepted if it is new
or empty, or if it holds what only an earlier version of this program writes.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from pclhd_jax.saving.checkpoint_name import checkpoint_ids
from pclhd_jax.saving.disk import write_whole
from pclhd_jax.saving.integrity import read_manifest
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.plain_files import FILE, FOLDER, NOTHING, kind_of
from pclhd_jax.system.whole_files import half_written

MARK = "pclhd-run.json"
CONTENT = {
    "program": "pclhd_jax",
    "what": "A run's workdir. The program writes, replaces and removes its own files here.",
}
# Files that systems and editors leave in any folder, and the output of the command itself.
COUNTS_AS_EMPTY = re.compile(
    r"\.DS_Store|Thumbs\.db|desktop\.ini|\.gitkeep|\.ipynb_checkpoints|lost\+found|\.nfs\w+"
    r"|log\w*\.txt|.*\.(log|out|err)"
)
LOCK_FILES = {"run.lock", "run.holder"}
HOLDER_KEYS = {"host", "pid", "since", "run", "renewed"}
RECORDS = {
    "config.json",
    "pictures.json",
    "metrics.jsonl",
    "timing.jsonl",
    "changes.jsonl",
    "writers.json",
}
FOLDERS = {
    "checkpoints",
    "unfinished",
    "unfinished-old",
    "features",
    "damaged",
    "tensorboard",
    "wandb",
}
WRITTEN = LOCK_FILES | RECORDS | FOLDERS | {"page", MARK}
SECTIONS = {"data", "model", "stage1", "stage2", "optimizer", "cluster", "prototypes"}
OTHER = "nothing there was changed. Name another --workdir: a new folder, or an earlier run's"


def check_is_run(workdir: str | Path) -> None:
    """Raises ValueError, with the remedy, for a folder that is not a workdir and cannot become one.

    Changes nothing.
    """
    why = _why_not(Path(workdir))
    if why:
        raise ValueError(f"--workdir {workdir} {why}; {OTHER}")


def mark_run(workdir: str | Path) -> None:
    """Writes the mark into a folder that `check_is_run` accepts."""
    if not has_mark(Path(workdir)):
        write_whole(Path(workdir) / MARK, json.dumps(CONTENT, indent=1) + "\n")


def has_mark(workdir: Path) -> bool:
    kept = _json(workdir / MARK)
    return isinstance(kept, dict) and kept.get("program") == CONTENT["program"]


def _why_not(workdir: Path) -> str:
    """Empty for a workdir and for what can become one."""
    if workdir.is_symlink() and not workdir.exists():
        return "is a link to nothing"
    if workdir.exists() and not workdir.is_dir():
        return "is a file, not a folder"
    if workdir.is_dir() and (has_mark(workdir) or _is_of_earlier_version(workdir)):
        return _misplaced(workdir)
    there = Path(os.path.realpath(workdir))
    if there == there.parent:
        return "is the root of a disk"
    if there == Path(os.path.realpath(os.path.expanduser("~"))):
        return "is your home folder"
    run = next((folder for folder in there.parents if has_mark(folder)), None)
    if run is not None and there.relative_to(run).parts[0] in WRITTEN:
        return f"lies among the files of the run {run}"
    if workdir.is_dir() and _names(workdir):
        few = sorted(_names(workdir))[:3]
        return f"holds {', '.join(few)} and no {MARK}, so it is not the folder of a run"
    return ""


def _misplaced(workdir: Path) -> str:
    """What a run would write through, or wait for, in place of its own files; empty if nothing."""
    for name in sorted(LOCK_FILES | RECORDS | {MARK}):
        kind = "a link" if (workdir / name).is_symlink() else kind_of(workdir / name)
        if kind not in (FILE, NOTHING):
            return f"holds {name} as {kind}, where a run writes a regular file"
    for name in sorted(FOLDERS):
        if (kind := kind_of(workdir / name)) not in (FOLDER, NOTHING):
            return f"holds {name} as {kind}, where a run writes a folder"
    return ""


def _is_of_earlier_version(workdir: Path) -> bool:
    """Whether it holds what only this program writes."""
    names = _names(workdir)
    if not names:
        return False
    if names <= LOCK_FILES:  # it was killed as it began
        return not _size(workdir / "run.lock") and _is_holder(workdir / "run.holder")
    config = _json(workdir / "config.json")
    if not (isinstance(config, dict) and config.keys() >= SECTIONS):
        return any(_has_manifest(workdir / "checkpoints" / str(id)) for id in _ids(workdir))
    return "pictures.json" in names or bool(_ids(workdir)) or names <= WRITTEN


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_holder(path: Path) -> bool:
    kept = _json(path)
    return not _size(path) or (isinstance(kept, dict) and kept.keys() <= HOLDER_KEYS)


def _has_manifest(checkpoint: Path) -> bool:
    try:
        return bool(read_manifest(checkpoint))
    except (OSError, ValueError):
        return False


def _ids(workdir: Path) -> list[int]:
    return checkpoint_ids(workdir / "checkpoints")


def _names(workdir: Path) -> set[str]:
    """What counts; a kill may have left one of our own files half-written."""
    return {
        name
        for name in os.listdir(workdir)
        if not COUNTS_AS_EMPTY.fullmatch(name) and half_written(name) not in WRITTEN
    }


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None
