"""Have files changed? What a look at their sizes and dates says, without opening them."""

import hashlib
import os
from collections.abc import Iterable
from typing import NamedTuple


class Stamp(NamedTuple):
    """digest: of sizes and modification times: a copy that kept its dates has the same.

    changed_ns: the latest time at which a file was written, moved in or touched (POSIX's ctime).
    No program can set it back: a file that was replaced by another of its size and date is newer.
    """

    digest: str
    changed_ns: int


def file_stamp(root: str | os.PathLike, paths: Iterable[str | os.PathLike]) -> Stamp:
    """The stamp of files below root; a missing one counts as 'missing'."""
    digest, changed_ns = hashlib.sha256(), 0
    for path in paths:
        try:
            status = os.stat(os.path.join(root, path))
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
            changed_ns = max(changed_ns, status.st_ctime_ns)
        except OSError:  # the decoder will name it
            digest.update(b"missing\n")
    return Stamp(digest.hexdigest(), changed_ns)
