"""Numbered checkpoints in Orbax's own layout, readable by plain Orbax.

In `checkpoints`, the ids are consecutive epoch ids, counted through both stages: checkpoint e
holds the state after e epochs. What was saved and what is restored is checked by `integrity`.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from pclhd_jax.processes.exchange import from_first
from pclhd_jax.processes.mesh import readable, replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.saving.checkpoint_name import MANIFEST, checkpoint_ids
from pclhd_jax.saving.disk import free_name
from pclhd_jax.saving.failed_save import save_explained
from pclhd_jax.saving.integrity import (
    check_files,
    damage_named,
    file_digests,
    other_than_ours,
    reading_verified,
    write_manifest,
)
from pclhd_jax.saving.items import (
    check_written,
    read_progress,
    read_state,
    saved_leaves,
    write_items,
)
from pclhd_jax.saving.leaves import check_fits
from pclhd_jax.saving.quiet import quiet
from pclhd_jax.saving.removing import remove_checkpoint, remove_if_empty, remove_left_over
from pclhd_jax.saving.write_behind import WriteBehind, write_now_or_behind
from pclhd_jax.system.private_files import make_private_folder


class Restored(NamedTuple):
    id: int
    state: Any
    progress: dict[str, Any]


class Checkpoints:
    """The checkpoints in one folder of a run.

    Of several processes, all save and restore together: process 0 writes, every one reads.
    """

    def __init__(
        self, workdir: str | Path, *, keep: int | None = None, folder: str = "checkpoints"
    ):
        """keep: how many of the newest stay when one is saved; None: all."""
        self.workdir = Path(workdir).absolute()
        self.folder = self.workdir / folder
        self.keep = keep
        self.failures = 0  # of saves

    def ids(self) -> list[int]:
        """Of the finished checkpoints, damaged or not, ascending; nothing is opened."""
        return checkpoint_ids(self.folder)

    def latest(self) -> int | None:
        """The newest id, or None."""
        return max(self.ids(), default=None)

    def save(
        self,
        id: int,
        state: Any,
        progress: dict[str, Any],
        writer: WriteBehind | None = None,
    ) -> None:
        """Write a checkpoint; without `writer`, return when it is complete on the disk.

        Reads it back and compares every leaf before it counts and before older ones are removed.

        state: any pytree of NumPy arrays and of jax.Arrays that are whole on every device;
          Orbax takes no array without elements. progress: a small JSON object.
        writer: writes it while the caller goes on, and raises what went wrong later. A copy of the
          state is taken, when what was given to the writer before is written: one copy at a time is
          in memory. Until it has finished, nothing is to be asked of this object but to save.

        Raises:
          RuntimeError: the id is not newer than those that are there.
          OSError: it could not be written or read back; the older checkpoints are unchanged.
        """
        from_first(self._save, id, jax.tree.map(readable, state), progress, writer)

    def _save(
        self, id: int, state: Any, progress: dict[str, Any], writer: WriteBehind | None
    ) -> None:
        def take() -> Callable[[], None]:
            # From the host: so each array is fetched once, is compared with what was written of it,
            # and no device of this machine is needed to read it. Copies: on a CPU np.asarray gives
            # views, and both they and NumPy's own may change meanwhile.
            on_host = jax.tree.map(np.array, state)
            return partial(self._save_whole, id, on_host, progress)

        write_now_or_behind(writer, take)

    def _save_whole(self, id: int, state: Any, progress: dict[str, Any]) -> None:
        path = self.folder / str(id)
        newest = self.latest()
        if newest is not None and newest >= id:
            raise RuntimeError(
                f"the run did not save checkpoint {id} in {self.folder} (newest: {newest}); is "
                "another run writing to this workdir?"
            )
        if os.path.lexists(path):
            raise FileExistsError(f"{path} is not a checkpoint of this program; move it away")
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        with quiet(), save_explained(self.folder, id, size):
            make_private_folder(self.folder)  # progress and labels tell of people
            remove_left_over(self.folder)
            try:
                self._write(id, state, progress)
            except Exception:
                self.failures += 1
                remove_left_over(self.folder, seconds=2.0)  # threads of Orbax may still be writing
                raise
            # Only now, when the new one is complete.
            for old in self.ids()[: -self.keep] if self.keep is not None else ():
                remove_checkpoint(self.folder / str(old))

    def _write(self, id: int, state: Any, progress: dict[str, Any]) -> None:
        """Gives the checkpoint its name when it is complete and was read back."""
        new = self._new_folder(id)
        write_items(new, state, progress)
        files = file_digests(new)
        check_written(new, state, progress)
        write_manifest(new, files)
        os.rename(new, self.folder / str(id))

    def _new_folder(self, id: int) -> Path:
        """A new name: threads of a save that failed may still write under its name."""
        number = 1 + self.failures
        while True:
            new = self.folder / (f"{id}.new-{number}" if number > 1 else f"{id}.new")
            if not any(path.name.startswith(new.name) for path in self.folder.iterdir()):
                return new
            number += 1

    def restore(
        self,
        id: int,
        like: Callable[[dict[str, Any]], Any],
        mesh: Mesh | None,
        warn: Callable[[str], None] = say,
    ) -> Restored:
        """The state and progress of a checkpoint, verified, on every device of `mesh`.

        like: from the progress, a pytree of the expected shapes and types; its values are not
          read. What is a NumPy array there comes back as one.

        Raises:
          DamagedCheckpoint: it does not hold what was saved; names the files or leaves.
          ValueError: it holds another pytree than `like`.
        """
        path = self.folder / str(id)
        # Every byte was verified, or none: only then is what fails in reading them damage. Else it
        # is what it says: too many open files, no memory, a network that timed out.
        verified = check_files(path)
        reading = reading_verified if verified else damage_named
        with reading(path, "progress"):
            progress = read_progress(path)
        with other_than_ours(path):
            with reading(path, "state"):
                leaves = saved_leaves(path)
            target = like(progress)
        check_fits(leaves, target, str(path))
        if not verified:
            warn(f"warning: {path} was saved without {MANIFEST}; nothing verifies its arrays")
        # To the host first, whichever the devices are.
        with reading(path, "state"):
            state = read_state(path, target)
        stays = (np.ndarray, np.generic)
        state = jax.tree.map(
            lambda x, y: y if isinstance(x, stays) else replicate(mesh, y), target, state
        )
        return Restored(id, state, progress)

    def remove_all(self) -> None:
        """Removes every checkpoint, and the folder, but only what a save wrote."""
        for id in self.ids():
            remove_checkpoint(self.folder / str(id))
        remove_left_over(self.folder)
        remove_if_empty(self.folder)

    def set_aside(self, id: int) -> Path:
        """Move a checkpoint to `workdir/damaged`, over nothing that is there. Returns its place."""
        target = free_name(self.workdir / "damaged" / f"{self.folder.name}-{id}")
        make_private_folder(target.parent)
        os.rename(self.folder / str(id), target)
        return target
