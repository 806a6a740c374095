"""`writers.json` of a workdir: what each writer has, and where a resumed run finds it again."""

import json
from pathlib import Path
from typing import NamedTuple

from pclhd_jax.saving.disk import write_whole
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import record, table_of, text, whole

FILE = "writers.json"
SHAPE = table_of(record({"run": text(pattern=r"[\w.-]{0,200}"), "has": whole(0)}))
REMEDY = "remove it, and the next start begins new runs with all epochs in them"


class KeptRun(NamedTuple):
    run: str  # its name at the service; "": it has none
    has: int  # the last epoch that was written


NOTHING = KeptRun("", -1)


def kept_run(workdir: Path, word: str) -> KeptRun:
    """Raises ValueError for a file that is damaged."""
    found = _read(workdir).get(word)
    return KeptRun(found["run"], found["has"]) if found else NOTHING


def keep_run(workdir: Path, word: str, kept: KeptRun) -> None:
    runs = _read(workdir) | {word: kept._asdict()}
    write_whole(workdir / FILE, json.dumps(runs, indent=1) + "\n")


def _read(workdir: Path) -> dict[str, dict]:
    path = workdir / FILE
    return read_json(path, SHAPE, remedy=REMEDY) if path.exists() else {}
