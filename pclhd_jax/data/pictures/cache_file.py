"""The file of a picture cache: one header, then the pixels; all of it is checked when it is opened.

The header takes `HEADER_BYTES` (a line of JSON, filled up with spaces), the pixels are uint8
(N, H, W, 3). A file gets its name by one rename when it is complete: two processes that build it at
once both have a whole one, and the last rename wins.
"""

import contextlib
import errno
import json
import os
import re
import secrets
import socket
import zlib
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pclhd_jax.system.disk_errors import room
from pclhd_jax.system.json_shapes import fits, record, text, whole
from pclhd_jax.system.plain_files import FILE, NOTHING, kind_of
from pclhd_jax.system.windows import is_alive, renames_open_files

HEADER_BYTES = 4096  # a page: the pixels behind it stay aligned
BLOCK_BYTES = 4 * 2**20
MODE = 0o444  # a file cut short while it is mapped ends the process: keep `cp` and `>` away

Header = dict[str, Any]
# What a whole file's header says beside that which was asked for.
FINISHED = record({"pixels": text(), "files": whole(), "changed_ns": whole()})


class UnfitFileError(Exception):
    """Why a file is not the one that was asked for."""


def open_pixels(
    path: Path, expected: Header, still_fits: Callable[[Header], str | None]
) -> np.ndarray:
    """The pixels, mapped read-only; what is mapped is the very file that was checked.

    expected: entries its header must have. still_fits: from the whole header, a reason why not.
    Raises FileNotFoundError, and UnfitFileError: another file, or a damaged one.
    """
    try:
        if (kind := kind_of(path)) not in (FILE, NOTHING):  # a pipe would be waited for
            raise UnfitFileError(f"cannot be read (it is {kind})")
        with path.open("rb") as file:
            header = _check_header(file.read(HEADER_BYTES), expected)
            full = HEADER_BYTES + _num_bytes(header)
            if (size := os.fstat(file.fileno()).st_size) != full:
                raise UnfitFileError(f"it has {size:,} bytes of {full:,}")
            if reason := still_fits(header):
                raise UnfitFileError(reason)
            if _checksum_behind_header(file) != header.get("pixels"):
                raise UnfitFileError("the pixels are damaged")
            return np.asarray(_map(file, header, "r"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnfitFileError(f"cannot be read ({error.strerror})") from error


def build_pixels(path: Path, header: Header, fill: Callable[[np.ndarray], Header]) -> np.ndarray:
    """Write the file under a name of this process, then rename it; its pixels, as `open_pixels`.

    fill: puts the pixels into an array (N, H, W, 3) and returns more entries for the header.
    Raises ValueError: the file cannot be written.
    """
    size = HEADER_BYTES + _num_bytes(header)
    owner = f"{socket.gethostname()}.{os.getpid()}"
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.{owner}.partial")
    try:
        with _explained(path, size):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(path)
            file = partial.open("x+b")
        with file:
            with _explained(path, size):
                # Ask for the room now: a full disk under a mapping kills the process unheard.
                _reserve(file.fileno(), size)
            pixels_NHWC = _map(file, header, "r+")
            header = header | fill(pixels_NHWC)
            with _explained(path, size):
                pixels_NHWC.flush()  # before the rename: a crash leaves no hollow file there
                header["pixels"] = _checksum_behind_header(file)
                file.seek(0)
                file.write(_header_line(header))
                file.flush()
                os.fsync(file.fileno())
                if renames_open_files():
                    partial.chmod(MODE)
                    partial.replace(path)
                    return np.asarray(_map(file, header, "r"))
        del pixels_NHWC
        with _explained(path, size):
            partial.replace(path)
            with path.open("rb") as file:
                return np.asarray(_map(file, header, "r"))
    finally:
        with contextlib.suppress(OSError):  # renamed, or never made: the reason is on its way
            partial.unlink()


def _map(file: BinaryIO, header: Header, mode: str) -> np.memmap:
    # The mapping holds the file itself: it may be renamed, replaced or removed meanwhile.
    return np.memmap(file, np.uint8, mode, HEADER_BYTES, tuple(header["shape"]))


def _num_bytes(header: Header) -> int:
    return int(np.prod(header["shape"], dtype=np.int64))


def _checksum_behind_header(file: BinaryIO) -> str:
    """CRC-32 of the pixels as they lie on disk.

    By reading, not through a mapping: there a bad sector would end the process.
    """
    block, checksum = memoryview(bytearray(BLOCK_BYTES)), 0
    file.seek(HEADER_BYTES)
    while count := file.readinto(block):
        checksum = zlib.crc32(block[:count], checksum)
    return f"{checksum:08x}"


def _check_header(line: bytes, expected: Header) -> Header:
    header = _parse(line)
    if header is None or not fits(header, FINISHED):
        raise UnfitFileError("the header is damaged")
    changed = [key for key in expected if header.get(key) != expected[key]]
    if changed:
        raise UnfitFileError(
            "another "
            + ", ".join(
                f"{key} (there {_short(header.get(key))}, now {_short(expected[key])})"
                for key in changed
            )
        )
    return header


def _short(value: Any) -> str:
    """A digest by its first characters."""
    return re.sub(r"^([0-9a-f]{8})[0-9a-f]{56}$", r"\1", str(value))


def _parse(line: bytes) -> Header | None:
    """The header without its checksum; None if one byte is not as it was written."""
    try:
        header = json.loads(line)
        checksum = header.pop("checksum")
    except (ValueError, AttributeError, KeyError, RecursionError):
        return None
    return header if line == _header_line(header) and checksum == _checksum(header) else None


def _header_line(header: Header) -> bytes:
    text = json.dumps(header | {"checksum": _checksum(header)})
    return text.encode().ljust(HEADER_BYTES - 1) + b"\n"


def _checksum(header: Header) -> int:
    return zlib.crc32(json.dumps(header).encode())


@contextlib.contextmanager
def _explained(path: Path, size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"cannot write the picture cache {path} of {size / 1e9:.2f} GB ({error.strerror}; "
            f"{room(path.parent)}); free some room, "
            "set config.data.cache to another folder, or to '' for memory only"
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
    host = escape(socket.gethostname())
    for leftover in path.parent.glob(f"{escape(path.name)}.*.{host}.*.partial"):
        owner = leftover.name.split(".")[-2]
        if owner.isdecimal() and not is_alive(int(owner)):
            with contextlib.suppress(PermissionError):  # another user's
                leftover.unlink(missing_ok=True)
