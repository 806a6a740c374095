"""A plain name for a folder, because Orbax reads the path of a checkpoint as a pattern.

Orbax finds files by a glob when it merges the parts of a save and when it lists a checkpoint. The
glob treats the whole path as a pattern. With brackets in a parent's name it matches nothing, and
the save reports success although nobody can read it.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pclhd_jax.system.windows import WINDOWS

# On Windows names contain neither * nor ?, and a backslash separates them.
PLAIN = re.compile(r"[^\[\]]*" if WINDOWS else r"[\w/. -]*")


class PlainName:
    """`path` is `folder` itself, or until `close` a link to it in a temporary folder."""

    def __init__(self, folder: Path):
        """folder: absolute. Raises OSError if a link is needed and cannot be made."""
        self.folder, self.path, self._link = folder, folder, None
        if PLAIN.fullmatch(str(folder)):
            return
        try:
            place = next(place for place in _places() if PLAIN.fullmatch(place))
            self._link = tempfile.TemporaryDirectory(
                prefix="pclhd-", dir=place, ignore_cleanup_errors=True
            )
            self.path = Path(self._link.name) / "folder"
            self.path.symlink_to(folder, target_is_directory=True)
        except (OSError, StopIteration) as error:
            raise OSError(
                f"{folder} has characters in its path that Orbax reads as a pattern, and no link "
                f"to it can be made in the temporary folder ({error or 'there is none'}); name a "
                "--workdir of letters, digits, '-', '_' and '.', or set TMPDIR to such a folder"
            ) from error

    def __enter__(self) -> "PlainName":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        if self._link is not None:
            self._link.cleanup()


def _places() -> Iterator[str]:
    """Folders for temporary files, the user's first."""
    yield os.path.abspath(tempfile.gettempdir())
    yield from (place for place in ("/tmp", "/var/tmp", "/dev/shm") if os.access(place, os.W_OK))
