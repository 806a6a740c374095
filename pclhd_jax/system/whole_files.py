"""Files that get their name when they are complete: written beside it, flushed, then renamed.

The new file has a name that nobody can foresee and is never opened through a link. An existing file
or link of that name is neither followed nor overwritten.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pclhd_jax.system.disk_errors import disk_explained
from pclhd_jax.system.private_files import let_group_read, private_mode
from pclhd_jax.system.windows import sync_folder

HALF_WRITTEN = re.compile(r"\.(.+)\.[0-9a-f]{16}\.new", re.DOTALL)
LEFTOVER_SECONDS = 3600  # no file takes that long to write; a kill left older ones


@contextmanager
def whole_file(
    path: str | Path, mode: str = "wb", *, private: bool = False, **kwargs
) -> Iterator[IO]:
    """Opens a new file for writing, which replaces `path` at the end of the block.

    After a kill or a power cut the old file or the new one is there. After an error in the block
    the old one is there, and nothing beside it.

    Args:
      mode: "wb", "w" or "w+b". Text is UTF-8, its line ends stay as they are given.
      private: only its owner can read it, as `private_mode` says; else the system's default.
    """
    path = Path(path)
    if "b" not in mode:
        kwargs = {"encoding": "utf-8", "newline": ""} | kwargs
    remove_leftovers(path)
    beside = path.with_name(f".{_short(path.name)}.{secrets.token_hex(8)}.new")
    made = False
    with disk_explained(f"writing {path.name}", path.parent):
        try:
            with open(beside, mode, opener=_new_file_opener(private), **kwargs) as file:
                made = True
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
            made = False
            sync_folder(path.parent)
        finally:
            if made:  # half a file would only take space on a full disk
                with contextlib.suppress(OSError):
                    beside.unlink()


@contextmanager
def whole_path(path: str | Path) -> Iterator[Path]:
    """As `whole_file`, for writers that need a path: yields a path with the same file name.

    It is in a new folder beside `path` that nobody else may enter.
    """
    path = Path(path)
    with disk_explained(f"writing {path.name}", path.parent):
        folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=path.parent))
        try:
            yield folder / path.name
            with open(folder / path.name, "r+b") as file:
                os.fsync(file.fileno())
            os.replace(folder / path.name, path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(path: Path) -> None:
    """Removes regular files with our names that a killed process left incomplete beside `path`."""
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        old = [entry for entry in entries if half_written(entry.name) == _short(path.name)]
        for entry in old:
            age = time.time() - entry.stat(follow_symlinks=False).st_mtime
            if entry.is_file(follow_symlinks=False) and age > LEFTOVER_SECONDS:
                os.unlink(entry.path)


def half_written(name: str) -> str | None:
    """The name that a file of this one was to get (of a long one a digest); None: it is no such."""
    found = HALF_WRITTEN.fullmatch(name)
    return found and found[1]


def _short(name: str) -> str:
    """The name itself where it leaves room for more on every drive."""
    data = os.fsencode(name)
    return name if len(data) <= 200 else hashlib.blake2b(data, digest_size=16).hexdigest()


def _new_file_opener(private: bool):
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):  # not all on Windows
        flags |= getattr(os, name, 0)

    def opened(path: str, _: int) -> int:
        descriptor = os.open(path, flags, private_mode() if private else 0o666)  # less the umask
        if private:
            let_group_read(descriptor)
        return descriptor

    return opened
