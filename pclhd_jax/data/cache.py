"""Decoded pictures on disk, memory-mapped: decoding and resizing happen once, not once a run.

A cache file is one header of `HEADER_BYTES` (a line of JSON, filled up with spaces) and the pixels,
uint8 (N, H, W, 3). It gets its name by one rename when it is complete: two processes that build the
same file at once both see a whole one, and the last rename wins.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import socket
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import features

from pclhd_jax.data.images import Read, Report, check_form, load_pictures
from pclhd_jax.data.lists import Pictures

HEADER_BYTES = 4096  # a page: the pixels behind it stay aligned
SUFFIX = ".pictures"


def cached_pictures(
    pictures: Pictures,
    read: Read | None,
    *,
    height: int,
    width: int,
    resample: str,
    folder: str | os.PathLike,
    name: str = "pictures",
    stamp: str | None = None,
    report: Report | None = None,
    tell: Callable[[str], None] = print,
) -> np.ndarray:
    """What `load_pictures` returns, memory-mapped read-only from a file in `folder`.

    The file is made on first use and again when it does not fit: other pictures or their bytes,
    another size, filter, Pillow or JPEG library, a file cut short or damaged in its header. `tell`
    gets a line that says why. Damage in the pixels is not noticed: they are not read on opening.

    Args:
      pictures: N pictures.
      read: gives the bytes of a picture's file, as for `load_pictures`.
      height, width, resample, report: as for `load_pictures`.
      folder: is made if there is none; '' keeps the pictures in memory only.
      name: of these pictures, the beginning of the file's name.
      stamp: what changes when the bytes behind `read` do; None takes size and time of each file
        under `pictures.root`.

    Returns:
      uint8 (N, height, width, 3); not writable, unless in memory.

    Raises:
      ValueError: as `load_pictures`; a folder that cannot be written or has no room.
    """
    form = dict(height=height, width=width, resample=resample)
    check_form(**form)
    if not os.fspath(folder) or not pictures.paths:
        return load_pictures(pictures, read=read, report=report, **form)
    header = _describe(pictures, stamp or file_stamp(pictures.root, pictures.paths), form)
    place = hashlib.sha256(os.path.abspath(pictures.root).encode()).hexdigest()[:8]
    path = Path(folder) / f"{name}-{height}x{width}-{resample}-{place}{SUFFIX}"
    reason = why_not(path, header)
    if reason:
        # A file that was never there needs no explanation.
        if path.exists():
            tell(f"{path}: {reason}; decoding again")
        _build(path, header, lambda out: load_pictures(
            pictures, read=read, report=report, out_NHWC=out, **form
        ))  # fmt: skip
    pixels = np.memmap(path, np.uint8, "r", HEADER_BYTES, tuple(header["shape"]))
    return np.asarray(pixels)  # a plain array: the mapping stays alive behind it


def file_stamp(root: str | os.PathLike, paths: Iterable[str | os.PathLike]) -> str:
    """Digest of size and modification time of files below root; 'missing' where there is none."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = os.stat(os.path.join(root, path))
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:  # the decoder will name it
            digest.update(b"missing\n")
    return digest.hexdigest()


def _describe(pictures: Pictures, stamp: str, form: dict[str, Any]) -> dict[str, Any]:
    """The header a fitting file has."""
    return {
        "format": 1,
        "shape": [len(pictures.paths), form["height"], form["width"], 3],
        "filter": form["resample"],
        "list of pictures": hashlib.sha256("\n".join(pictures.paths).encode()).hexdigest(),
        "source": stamp,
        # Both decide about pixel values.
        "Pillow": PIL.__version__,
        "JPEG library": str(features.version("jpg")),
    }


def why_not(path: Path, expected: dict[str, Any]) -> str | None:
    """Why the file at `path` is not the one described; None if it is."""
    try:
        with path.open("rb") as file:
            line = file.read(HEADER_BYTES)
        size = path.stat().st_size
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    header = _parse(line)
    if header is None:
        return "the header is damaged"
    changed = [key for key in expected if header.get(key) != expected[key]]
    if changed:
        return "another " + ", ".join(
            f"{key} (there {short(header.get(key))}, now {short(expected[key])})" for key in changed
        )
    full = HEADER_BYTES + int(np.prod(expected["shape"]))
    return None if size == full else f"it has {size:,} bytes of {full:,}"


def short(value: Any) -> str:
    """A digest by its first characters."""
    return re.sub(r"^([0-9a-f]{8})[0-9a-f]{56}$", r"\1", str(value))


def _parse(line: bytes) -> dict[str, Any] | None:
    """The header without its checksum; None if one byte is not as it was written."""
    try:
        header = json.loads(line)
        checksum = header.pop("checksum")
    except (ValueError, AttributeError, KeyError):
        return None
    return header if line == _header_line(header) and checksum == _checksum(header) else None


def _header_line(header: dict[str, Any]) -> bytes:
    text = json.dumps(header | {"checksum": _checksum(header)})
    return text.encode().ljust(HEADER_BYTES - 1) + b"\n"


def _checksum(header: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(header).encode())


def _build(path: Path, header: dict[str, Any], fill: Callable[[np.ndarray], Any]) -> None:
    """Write the file under a name of this process, then rename it."""
    size = HEADER_BYTES + int(np.prod(header["shape"]))
    owner = f"{socket.gethostname()}.{os.getpid()}"
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.{owner}.partial")
    try:
        with _explained(path, size):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(path)
            with partial.open("w+b") as file:
                file.write(_header_line(header))
                file.flush()
                # Ask for the room now: a full disk under a mapping kills the process unheard.
                _reserve(file.fileno(), size)
            pixels = np.memmap(partial, np.uint8, "r+", HEADER_BYTES, tuple(header["shape"]))
        fill(pixels)
        with _explained(path, size):
            pixels.flush()  # before the rename: a crash then leaves no hollow file of that name
            partial.replace(path)
    finally:
        with contextlib.suppress(OSError):  # renamed, or never made: the reason is on its way
            partial.unlink()


@contextlib.contextmanager
def _explained(path: Path, size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"cannot write the picture cache {path} of {size / 1e9:.2f} GB ({error.strerror}); "
            "free some room, set config.data.cache to another folder, or to '' for memory only"
        ) from error


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:  # some network file systems cannot; a full disk is another matter
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    os.truncate(descriptor, size)  # and macOS, Windows


def _remove_leftovers(path: Path) -> None:
    """Unfinished files of processes of this machine that are no more: they may be gigabytes."""
    for leftover in path.parent.glob(f"{path.name}.*.{socket.gethostname()}.*.partial"):
        owner = leftover.name.split(".")[-2]
        with contextlib.suppress(PermissionError, ValueError):  # another user's; not ours at all
            try:
                os.kill(int(owner), 0)
            except ProcessLookupError:
                leftover.unlink(missing_ok=True)
