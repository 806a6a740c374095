"""What is said of a save that failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pclhd_jax.saving.checkpoint_folders import checkpoint_ids
from pclhd_jax.saving.disk import disk_error, refused
from pclhd_jax.saving.integrity import DamagedCheckpoint, damaged_files


@contextmanager
def save_explained(folder: Path, id: int, size: int) -> Iterator[None]:
    """Gives an error of the disk the words that a person needs; any other passes.

    size: bytes that are to be written.
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
    # [] alone says so: without a manifest nothing vouches for it.
    sound = (id for id in reversed(checkpoint_ids(folder)) if damaged_files(folder / str(id)) == [])
    last = next(sound, None)
    return "no other is known to be sound" if last is None else f"checkpoint {last} is intact"
