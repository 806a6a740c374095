"""Is a checkpoint what was saved? Digests of a pytree's leaves and of a folder's files."""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pclhd_jax.saving.checkpoint_name import MANIFEST
from pclhd_jax.saving.disk import write_whole
from pclhd_jax.saving.record_shapes import FILES
from pclhd_jax.system.json_files import read_json

MOST_BYTES = 64_000_000  # of a JSON file of a checkpoint
WRONG_SHAPE = (LookupError, TypeError, AttributeError, AssertionError, RecursionError)
DAMAGE = (errno.ENOENT, errno.ENOTDIR, errno.EIO)  # a lack of rights, say, is none
REMEDY = "restore the folder from a backup, or name another --workdir to start afresh"


class DamagedCheckpoint(ValueError):
    """Checkpoints that do not hold what was saved: a line each, naming the files or leaves."""

    def __init__(self, *lines: str, remedy: str = REMEDY):
        self.lines, self.remedy = lines, remedy
        super().__init__("\n".join(lines) + f"\n{remedy}")

    def __reduce__(self) -> tuple:  # for the other processes
        return partial(type(self), remedy=self.remedy), self.lines


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree by path, such as `params/bottleneck/scale`."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def leaf_digests(tree: Any) -> dict[str, list]:
    """Path -> [dtype, shape, digest of dtype, shape and bytes] of every leaf, host arrays."""
    digests = {}
    for name, array in named_leaves(tree).items():
        kind = [array.dtype.name, list(array.shape)]
        hashed = hashlib.blake2b(json.dumps(kind).encode(), digest_size=16)
        hashed.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        digests[name] = [*kind, hashed.hexdigest()]
    return digests


def check_fits(saved: dict[str, list], like: Any, where: str) -> None:
    """Raises ValueError where `leaf_digests` of the saved tree name other leaves than `like`."""
    there = {name: kind for name, (*kind, _) in saved.items()}
    here = {
        name: [np.dtype(leaf.dtype).name, list(leaf.shape)]
        for name, leaf in named_leaves(like).items()
    }
    wrong = [
        f"{name}: there {there.get(name, 'absent')}, here {here.get(name, 'absent')}"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]
    if wrong:
        raise ValueError(
            f"{where} is of other settings than these; {shortened(wrong)}; "
            "bring those settings back, or name another --workdir"
        )


def digest_of(record: Any) -> str:
    """Of what a JSON file would give back."""
    return hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=16).hexdigest()


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """With a digest of itself."""
    return record | {"seal": digest_of(record)}


def unsealed(record: Any) -> dict[str, Any]:
    """Raises ValueError for anything that `sealed` did not return."""
    if not isinstance(record, dict):
        raise ValueError("no sealed record")
    content = {key: value for key, value in record.items() if key != "seal"}
    if record.get("seal") != digest_of(content):
        raise ValueError("its seal does not fit")
    return content


def write_manifest(folder: Path) -> None:
    """Size and digest of every file below `folder`, in `manifest.json`; all is on the disk then."""
    files = {
        path.relative_to(folder).as_posix(): [path.stat().st_size, file_digest(path, sync=True)]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_whole(folder / MANIFEST, json.dumps(sealed({"files": files}), indent=1) + "\n")


def file_digest(path: Path, *, sync: bool = False) -> str:
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())  # Orbax leaves its JSON files to the system
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def damaged_files(folder: Path) -> list[str] | None:
    """What `manifest.json` says is wrong, a line per file; None if there is no manifest.

    A damaged manifest is as good as none: the leaves have checksums of their own. Files that
    it does not name are nobody's business.
    """
    try:
        record = unsealed(read_json(folder / MANIFEST, most_bytes=MOST_BYTES))
        FILES(record, MANIFEST)
    except ValueError:
        return None
    except OSError as error:
        if error.errno not in DAMAGE:
            raise
        return None
    lines = ((name, damage(folder / name, *kept)) for name, kept in record["files"].items())
    return [f"{name} {line}" for name, line in lines if line]


def damage(path: Path, size: int, digest: str) -> str:
    """How a file differs from what was written; empty if it does not."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file"
        if status.st_size != size:
            return f"has {status.st_size:,} bytes, {size:,} were written"
        return "" if file_digest(path) == digest else "has other contents than were written"
    except OSError as error:
        if error.errno not in DAMAGE:
            raise
        return "cannot be read from the disk" if error.errno == errno.EIO else "is missing"


def check_files(folder: Path) -> bool:
    """True if all files are as they were written, False if there is no manifest to tell.

    Raises:
      DamagedCheckpoint: names the files that are not.
    """
    wrong = damaged_files(folder)
    if wrong:
        raise DamagedCheckpoint(damage_line(folder, wrong))
    return wrong is not None


def check_leaves(saved: dict[str, list], tree: Any, folder: Path) -> None:
    """Raises DamagedCheckpoint where a leaf, a host array, is not the one that was saved."""
    here = leaf_digests(tree)
    wrong = [f"leaf {n} has other values than were saved" for n in saved if saved[n] != here[n]]
    if wrong:
        raise DamagedCheckpoint(damage_line(folder, wrong))


@contextmanager
def damage_named(folder: Path, item: str) -> Iterator[None]:
    """What goes wrong in reading files that nothing vouches for is their damage."""
    try:
        yield
    except PermissionError:
        raise
    except Exception as error:  # of Orbax, TensorStore, zstd, JSON: they share no class
        told = " ".join(str(error).split())[:300]
        raise DamagedCheckpoint(damage_line(folder, [f"{item} cannot be read: {told}"])) from error


@contextmanager
def reading_verified(folder: Path, item: str) -> Iterator[None]:
    """An error in reading files whose every byte was verified is not damage.

    Files of another shape are the exception: whoever wrote them also wrote the list that verifies
    them.
    """
    try:
        yield
    except WRONG_SHAPE as error:
        told = (
            f"{item} has a shape that this program never writes ({type(error).__name__}: {error})"
        )
        raise DamagedCheckpoint(damage_line(folder, [told])) from error
    except Exception as error:
        error.add_note(f"while reading {item} of {folder}, whose files are as they were saved")
        raise


@contextmanager
def other_than_ours(folder: Path) -> Iterator[None]:
    """A record of another shape is damage, even if its checksums fit."""
    try:
        yield
    except DamagedCheckpoint:  # has said it
        raise
    except ValueError as error:
        raise DamagedCheckpoint(damage_line(folder, [f"{error}"])) from error


def check_small(folder: Path, *items: str) -> None:
    """Raises ValueError if a JSON file of an item is too large or not a regular file."""
    for item in items:
        for path in (folder / item).glob("*"):
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
                raise ValueError(
                    f"{item}/{path.name} is not a regular file of at most {MOST_BYTES:,} bytes"
                )


def damage_line(folder: Path, wrong: list[str]) -> str:
    return f"checkpoint {folder.name} in {folder.parent} is damaged: {shortened(wrong)}"


def shortened(lines: list[str], most: int = 3) -> str:
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more
