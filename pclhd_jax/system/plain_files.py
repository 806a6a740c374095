"""Reads files that anybody may have made: regular files only, up to a limit, without waiting.

Reading a pipe could wait for ever, a device may have no end, and neither has a size.
"""

import errno
import os
import stat
from collections.abc import Iterator

MAX_TEXT_BYTES = 256 * 2**20  # of a table: millions of rows
MAX_LIST_BYTES = 64 * 2**20  # of a list: a million paths
MAX_LINE = 65_536  # of a list, in characters: 10,000 identities
CHUNK = 2**20
NOTHING, FILE, FOLDER, BROKEN_LINK = "nothing", "a regular file", "a folder", "a broken link"
KINDS = (
    (stat.S_ISREG, FILE),
    (stat.S_ISDIR, FOLDER),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def kind_of(path: str | os.PathLike) -> str:
    """What has this name, in words: NOTHING, FILE, BROKEN_LINK, 'a folder', 'a pipe', ...

    Follows links. Raises OSError if the system does not say: a folder on the way may not be read,
    or links lead in a circle.
    """
    try:
        return _kind(os.stat(path).st_mode)
    except ValueError:  # a zero byte in the name
        return NOTHING
    except OSError as error:
        if error.errno not in ABSENT:
            raise
    return BROKEN_LINK if os.path.islink(path) else NOTHING


def is_there(path: str | os.PathLike) -> bool:
    """Whether an optional file is there. It is absent only where nothing has its name.

    Raises ValueError for a broken link, a folder or a pipe of this name, and as `kind_of`. The
    content of the file is then unknown, and a run must not continue as if there were none.
    """
    kind = kind_of(path)
    if kind not in (NOTHING, FILE):
        raise ValueError(f"{path} is {kind}, not {FILE}; bring the file back, or remove the name")
    return kind == FILE


def read_plain(path: str | os.PathLike, limit: int = MAX_TEXT_BYTES) -> bytes:
    """The bytes of a regular file.

    Raises:
      OSError: it is not there or may not be read.
      ValueError: it is not a regular file, or has more than `limit` bytes; no more are read.
    """
    kind = kind_of(path)
    if kind == BROKEN_LINK:
        raise FileNotFoundError(errno.ENOENT, "this is a broken link", os.fspath(path))
    if kind not in (FILE, NOTHING):  # of NOTHING, opening it raises
        raise NotPlainError(path, kind)
    # Non-blocking: a pipe may have replaced the file since `kind_of` looked.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPlainError(path, _kind(status.st_mode))
        if status.st_size > limit:
            raise TooLargeError(path, f"{status.st_size:,}", limit)
        return _all_of(descriptor, status.st_size, path, limit)
    finally:
        os.close(descriptor)


class NotPlainError(ValueError):
    """Raised for a pipe, a device or a folder in place of a file; `kind` in words."""

    def __init__(self, path: str | os.PathLike, kind: str):
        super().__init__(f"{os.fspath(path)} is {kind}; only regular files are read: remove it")
        self.kind = kind


class TooLargeError(ValueError):
    """Raised for a file above the limit; `size` in words."""

    def __init__(self, path: str | os.PathLike, size: str, limit: int):
        super().__init__(f"{os.fspath(path)} has {size} bytes, the limit is {limit:,}; split it")
        self.size = size


def read_text(path: str | os.PathLike, limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a regular file in UTF-8, without its byte order mark.

    Raises as `read_plain`, and ValueError with the line for zero bytes and what is not UTF-8.
    """
    data = read_plain(path, limit)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path} is UTF-16 text; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
        bad = data.find(b"\0")
    except UnicodeDecodeError as error:
        text, bad = "", error.start
    if bad >= 0:
        line = data.count(b"\n", 0, bad) + 1
        what = f"byte 0x{data[bad]:02x} is not UTF-8" if data[bad] else "zero bytes are not text"
        raise ValueError(f"{path}, line {line}: {what}; save it as text in UTF-8, or restore it")
    return text


def text_lines(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """(line number, text) of every line of a list that is not blank.

    Raises as `read_text`, and ValueError for a line that is too long.
    """
    for number, line in enumerate(divided(read_text(path, MAX_LIST_BYTES)), 1):
        if len(line) > MAX_LINE:
            raise ValueError(
                f"{path}, line {number} has {len(line):,} characters, the limit is {MAX_LINE:,}; "
                "restore the file, or write one path per line"
            )
        if text := line.strip():
            yield number, text


def divided(text: str) -> Iterator[str]:
    """Yields the lines with their ends, so that millions are not in memory twice.

    Splits only at line feeds, because names may contain form feeds and other separators.
    """
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _kind(mode: int) -> str:
    return next((name for test, name in KINDS if test(mode)), "a device")


def _all_of(descriptor: int, size: int, path: str | os.PathLike, limit: int) -> bytes:
    """Reads to the end: files of /proc report a size of 0, and a file may grow meanwhile."""
    parts: list[bytes] = []
    total = 0
    while part := os.read(descriptor, min(max(size - total, 0), limit) + CHUNK):
        parts.append(part)
        total += len(part)
        if total > limit:
            raise TooLargeError(path, f"more than {limit:,}", limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)
