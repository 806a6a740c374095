"""Every file of a finished checkpoint, damaged in every way: is it ever read as if it were sound?

    python -m benchmarks.corruption

Prints a line per file and damage, with the newest of two checkpoints damaged, then the same with no
older one to fall back to; ends with status 1 if damage went unnoticed or came as a raw error.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.saving.newest import restore_newest
from pclhd_jax.system.command import command

DAMAGES = {
    "one byte flipped": lambda content: flipped(content, len(content) // 2),
    "cut to half": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "deleted": lambda content: None,
}
GOOD = ("exact", "fell back, file named", "stopped, file named")


class Row(NamedTuple):
    file: str
    damage: str
    outcome: str  # one of GOOD, or what went wrong
    said: str


def corruption_matrix(
    make_checkpoints: Callable[[Path], dict[int, Any]],
    workdir: Path,
    *,
    folder: str = "checkpoints",
    damages: dict[str, Callable[[bytes], bytes | None]] = DAMAGES,
) -> list[Row]:
    """Damage each file of the newest checkpoint in turn and restore; every file is put back.

    make_checkpoints: saves into `workdir`, an existing folder, and returns the saved trees of host
      arrays by id. damages: the new content of a file from its old; None deletes it.
    """
    saved = make_checkpoints(workdir)
    newest = workdir / folder / str(max(saved))
    rows = []
    for path in sorted(path for path in newest.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for damage, change in damages.items():
            changed = change(content)
            if changed == content:
                continue
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            file = str(path.relative_to(newest))
            rows.append(Row(file, damage, *outcome(saved, workdir, folder, file)))
            path.write_bytes(content)
    return rows


def outcome(saved: dict[int, Any], workdir: Path, folder: str, file: str) -> tuple[str, str]:
    """What a restore does, and what it says."""
    said: list[str] = []
    like = jax.tree.map(np.empty_like, saved[max(saved)])
    try:
        checkpoints = Checkpoints(workdir, folder=folder)
        restored = restore_newest(checkpoints, lambda _: like, make_mesh(), said.append)
    except DamagedCheckpoint as error:
        done, said = "stopped", [str(error)]
    except Exception as error:  # whatever it is, it is the finding
        return f"raw {type(error).__name__}", str(error)
    else:
        if restored is None:
            return "STARTED AFRESH", ""
        if not same_bits(restored.state, saved[restored.id]):
            return "WRONG VALUES", "\n".join(said)
        if restored.id == max(saved):
            return "exact", "\n".join(said)
        done = "fell back"
    named = any(file in line for line in said)
    return f"{done}, file {'named' if named else 'NOT NAMED'}", "\n".join(said)


def same_bits(one: Any, other: Any) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


def flipped(content: bytes, position: int) -> bytes | None:
    """One byte inverted; as it is if there is none."""
    changed = bytearray(content)
    if changed:
        changed[position] ^= 0xFF
    return bytes(changed)


def tiny_checkpoints(ids: tuple[int, ...], workdir: Path) -> dict[int, Any]:
    rng = np.random.default_rng(0)
    trees = {
        id: {
            "weights": rng.standard_normal((64, 32)).astype(np.float32),
            "half": rng.standard_normal(16).astype(jax.numpy.bfloat16),
            "labels": rng.integers(-1, 9, 40),
            "step": np.int32(id),
        }
        for id in ids
    }
    trees = jax.tree.map(np.asarray, trees)
    checkpoints = Checkpoints(workdir, keep=len(ids))
    for id, tree in trees.items():
        checkpoints.save(id, tree, {"epoch": id})
    return trees


@command
def main() -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.corruption",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    sys.exit(not print_matrix())


def print_matrix() -> bool:
    """The table, and how often each outcome; whether all are good."""
    rows = []
    for ids in ((1, 2), (2,)):
        with tempfile.TemporaryDirectory() as folder:
            rows += corruption_matrix(lambda d, ids=ids: tiny_checkpoints(ids, d), Path(folder))
    for row in rows:
        print(f"{row.file:<64} {row.damage:<17} {row.outcome}")
    for result, number in Counter(row.outcome for row in rows).items():
        print(f"{number:4} {result}")
    return all(row.outcome in GOOD for row in rows)


if __name__ == "__main__":
    main()
