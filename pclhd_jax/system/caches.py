"""Where this program keeps compiled code. It also works without a folder that it can write."""

import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from pclhd_jax.system.paths import given_path
from pclhd_jax.system.text import printable

COMPILED = "JAX_COMPILATION_CACHE_DIR"
_TOLD: list[str] = []  # a process prints the note once
TROUBLE = "persistent compilation cache entry"  # in the warnings of JAX, one for each entry


def cache_folder(name: str) -> Path | None:
    """A folder of ours in $XDG_CACHE_HOME or ~/.cache that can be written; else None."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the standard says to ignore others
        base = os.path.expanduser("~/.cache")
    if base.startswith("~"):
        return _without("the home folder is not known")
    return usable_folder(Path(base) / "pclhd_jax" / name)


def usable_folder(folder: Path) -> Path | None:
    """`folder`, made if missing, if it can be written; else None, and a note says so once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return _without(f"{folder}: {error.strerror}")
    return folder


def _without(reason: str) -> None:
    if not _TOLD:
        _TOLD.append(reason)
        told = (
            f"note: no cache ({reason}): everything is compiled again at each start; set "
            "XDG_CACHE_HOME=FOLDER to a folder that can be written"
        )
        print(printable(told), file=sys.stderr, flush=True)


def keep_compiled_programs() -> None:
    """Makes JAX keep compiled programs, where the environment says or in our cache folder.

    Call it before JAX is imported, because JAX reads the environment once.
    """
    given = os.environ.get(COMPILED)
    if given is None:
        folder = cache_folder("compiled")
    elif "://" in given or not given:  # a bucket, or none asked for
        folder = given
    else:
        folder = usable_folder(Path(given_path(given)))
    os.environ.pop(COMPILED, None)
    if folder:
        os.environ[COMPILED] = str(folder)
    _tell_trouble_once()


def _tell_trouble_once() -> None:
    show, told = warnings.showwarning, []

    def show_or_tell(message: Any, *where: Any, **more: Any) -> None:
        if TROUBLE not in str(message):
            return show(message, *where, **more)
        if not told:
            told.append(message)
            line = (
                f"note: {str(message).splitlines()[0][:300]}; it is compiled again at each start "
                f"until {os.environ.get(COMPILED)} is removed or can be written"
            )
            print(printable(line), file=sys.stderr, flush=True)

    warnings.showwarning = show_or_tell
