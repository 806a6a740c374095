"""Up to which change a set's files were compared with what was made of them: once is enough."""

import contextlib
import json
from pathlib import Path

from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import record, text, whole
from pclhd_jax.system.whole_files import whole_file


def compared_until_ns(note: Path, made: str) -> int:
    """The time that `note_compared` wrote for `made`; 0 without a sound note of it."""
    try:
        entry = read_json(note, record({"changed_ns": whole(0), "made": text()}))
        return entry["changed_ns"] if entry["made"] == made else 0
    except (OSError, ValueError):
        return 0


def note_compared(note: Path, made: str, changed_ns: int) -> None:
    """Files that changed up to `changed_ns` (as `Stamp`) are those that `made` was made of.

    made: names what was made of them, so that a note left from another is none. Where the folder
    cannot be written they are compared at every start, as without the note.
    """
    with contextlib.suppress(OSError), whole_file(note, "w") as file:
        file.write(json.dumps({"made": made, "changed_ns": changed_ns}))
