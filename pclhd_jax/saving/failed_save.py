"""Errors of a save that failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pclhd_jax.saving.checkpoint_name import checkpoint_ids
from pclhd_jax.saving.integrity import DamagedCheckpoint, damaged_files
from pclhd_jax.system.disk_errors import DiskRefusedError, disk_error, disk_explained, refused


@contextmanager
def save_explained(folder: Path, id: int, size: int) -> Iterator[None]:
    """Explains an error of the disk; any other error passes.

    size: bytes to write.
    """
    try:
        yield
    except Exception as error:
        reason = disk_error(error)
        if isinstance(error, DamagedCheckpoint):
            reason = f"what was written cannot be restored ({error.lines[0]})"
        if not reason:
            raise
        text = refused(f"saving checkpoint {id}", folder, size, reason)
        raise OSError(f"{text}; {last_intact(folder)}") from error


def last_intact(folder: Path) -> str:
    # Only [] means sound: of a checkpoint that never had a manifest nobody knows.
    sound = (id for id in reversed(checkpoint_ids(folder)) if damaged_files(folder / str(id)) == [])
    last = next(sound, None)
    return "no other is known to be sound" if last is None else f"checkpoint {last} is intact"


@contextmanager
def workdir_explained(workdir: str | Path) -> Iterator[None]:
    """`disk_explained` for everything that a run writes."""
    try:
        with disk_explained("writing", workdir):
            yield
    except DiskRefusedError as error:
        text = f"{error}; what was saved before is intact"
        raise DiskRefusedError(error.errno, error.strerror, text) from error
