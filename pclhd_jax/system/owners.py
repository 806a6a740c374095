"""Files whose owner has no name on this machine, as in containers and on network drives."""

import os
import stat
from functools import cache
from typing import Any

from etils.epath import backend, stat_utils


@cache
def let_owners_be_unknown() -> None:
    """Makes etils, with which Orbax and TFDS look at files, return the number of such an owner.

    Otherwise it raises KeyError, and nothing can be saved, restored or prepared.
    """
    kind = backend._OsPathBackend
    by_name = kind.stat

    def stat_by_name_or_number(self: Any, path: str | os.PathLike) -> stat_utils.StatResult:
        try:
            return by_name(self, path)
        except KeyError:
            found = os.stat(path)
            return stat_utils.StatResult(
                is_directory=stat.S_ISDIR(found.st_mode),
                length=found.st_size,
                mtime=int(found.st_mtime),
                owner=str(found.st_uid),
                group=str(found.st_gid),
                mode=found.st_mode,
            )

    kind.stat = stat_by_name_or_number
