"""Is a checkpoint what was saved? `manifest.json` lists its files with sizes and digests.

A save reads back what it wrote before it writes the list (`items.check_written`). So files that are
as the list says hold what was in memory.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pclhd_jax.saving.checkpoint_name import MANIFEST
from pclhd_jax.saving.disk import write_whole
from pclhd_jax.saving.record_shapes import FILES
from pclhd_jax.system.json_files import parsed
from pclhd_jax.system.plain_files import read_plain

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


def file_digests(folder: Path) -> dict[str, list]:
    """Name -> [size, digest] of every file below `folder`; all is on the disk then."""
    return {
        path.relative_to(folder).as_posix(): [path.stat().st_size, file_digest(path, sync=True)]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_manifest(folder: Path, files: dict[str, list]) -> None:
    write_whole(folder / MANIFEST, json.dumps({"files": files}, indent=1) + "\n")


def read_manifest(folder: Path) -> dict[str, list]:
    """What `write_manifest` wrote. Raises OSError, or ValueError if it is damaged."""
    return parsed(read_plain(folder / MANIFEST, MOST_BYTES), FILES)["files"]


def file_digest(path: Path, *, sync: bool = False) -> str:
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())  # Orbax leaves its JSON files to the system
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def damaged_files(folder: Path) -> list[str] | None:
    """Where the files differ from the manifest, a line each; files that it does not name are
    nobody's business.

    None: the checkpoint never had a manifest, so nothing can tell.
    """
    try:
        files = read_manifest(folder)
    except ValueError as error:
        return [f"{MANIFEST} cannot be read: {error}"]
    except OSError as error:
        if error.errno not in DAMAGE:
            raise
        if error.errno == errno.ENOENT and never_had_manifest(folder):
            return None
        return [f"{MANIFEST} {lost(error)}"]
    lines = ((name, damage(folder / name, *kept)) for name, kept in files.items())
    return [f"{name} {line}" for name, line in lines if line]


def never_had_manifest(folder: Path) -> bool:
    """Whether Orbax alone or a very early version of this program saved it.

    Orbax's own record names the manifest; of earlier versions, the item `checksums` beside it.
    """
    try:
        told = (folder / "_CHECKPOINT_METADATA").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return MANIFEST not in told and "checksums" not in told


def damage(path: Path, size: int, digest: str) -> str:
    """How a file differs from what was written; empty if it does not."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file"
        if status.st_size != size:
            return f"has {status.st_size:,} bytes, {MANIFEST} says {size:,}"
        return "" if file_digest(path) == digest else f"has other contents than {MANIFEST} says"
    except OSError as error:
        if error.errno not in DAMAGE:
            raise
        return lost(error)


def lost(error: OSError) -> str:
    return "cannot be read from the disk" if error.errno == errno.EIO else "is missing"


def check_files(folder: Path) -> bool:
    """True if all files are as they were written, False if there never was a manifest to tell.

    Raises:
      DamagedCheckpoint: names the files that are not.
    """
    wrong = damaged_files(folder)
    if wrong:
        raise DamagedCheckpoint(damage_line(folder, wrong))
    return wrong is not None


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


def check_small(folder: Path) -> None:
    """Raises ValueError if a JSON file is too large or not a regular file."""
    for path in folder.glob("*"):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise ValueError(f"{path.name} is not a regular file of at most {MOST_BYTES:,} bytes")


def damage_line(folder: Path, wrong: list[str]) -> str:
    return f"checkpoint {folder.name} in {folder.parent} is damaged: {shortened(wrong)}"


def shortened(lines: list[str], most: int = 3) -> str:
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more
