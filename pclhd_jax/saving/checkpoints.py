"""Everything Orbax: numbered checkpoints in Orbax's own layout, readable by plain Orbax.

In `checkpoints`, the ids are consecutive epoch ids, counted through both stages: checkpoint e
holds the state after e epochs. What was saved and what is restored is checked by `integrity`.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from pclhd_jax.processes.exchange import from_first, is_first
from pclhd_jax.processes.mesh import readable, replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.saving.checkpoint_name import checkpoint_ids
from pclhd_jax.saving.disk import free_name
from pclhd_jax.saving.failed_save import save_explained
from pclhd_jax.saving.integrity import (
    check_files,
    check_fits,
    check_leaves,
    check_small,
    damage_named,
    digest_of,
    leaf_digests,
    other_than_ours,
    reading_verified,
    sealed,
    unsealed,
    write_manifest,
)
from pclhd_jax.saving.manager import open_manager
from pclhd_jax.saving.plain_name import PlainName
from pclhd_jax.saving.quiet import quiet
from pclhd_jax.saving.record_shapes import CHECKSUMS
from pclhd_jax.saving.removing import remove_checkpoint, remove_if_empty, remove_left_over
from pclhd_jax.saving.writer import Writer, write_now_or_behind
from pclhd_jax.system.owners import let_owners_be_unknown
from pclhd_jax.system.private_files import make_private_folder

let_owners_be_unknown()


class Restored(NamedTuple):
    id: int
    state: Any
    progress: dict[str, Any]


class Checkpoints:
    """The checkpoints in one folder of a run. Use as a context manager.

    Of several processes, all save and restore together: process 0 writes, every one reads.
    """

    def __init__(
        self, workdir: str | Path, *, keep: int | None = None, folder: str = "checkpoints"
    ):
        """keep: how many of the newest stay; None: nothing is made or removed, only read."""
        self.workdir = Path(workdir).absolute()
        self.folder = self.workdir / folder
        self.keep = keep
        self._manager: ocp.CheckpointManager | None = None
        self._name: PlainName | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        manager, self._manager = self._manager, None
        try:
            if manager is not None:
                manager.close()
        finally:
            if self._name is not None:
                self._name.close()
            self._name = None

    @property
    def manager(self) -> ocp.CheckpointManager:
        """Opened when it is needed, for it lists the folder once only."""
        if self._name is not None and not os.path.lexists(self._name.path):
            self.close()  # a cleaner of temporary folders took the link away
        if self._manager is None:
            if self.keep is not None and is_first():
                make_private_folder(self.folder)  # progress and labels tell of people
                remove_left_over(self.folder)
            self._name = PlainName(self.folder)
            self._manager = open_manager(self._name.path)
        return self._manager

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
        writer: Writer | None = None,
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

    def _save(self, id: int, state: Any, progress: dict[str, Any], writer: Writer | None) -> None:
        def take() -> Callable[[], None]:
            # From the host: so the digests are of the very bytes that are written, each is fetched
            # once, and no device of this machine is needed to read them. Copies: on a CPU
            # np.asarray gives views, and both they and NumPy's own may change meanwhile.
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
            try:
                self._write(id, state, progress)
            except Exception:
                self._discard(id)
                raise
            write_manifest(path)
            # Only now, when the new one is complete: Orbax itself would not wait so long.
            for old in self.ids()[: -self.keep] if self.keep is not None else ():
                remove_checkpoint(self.folder / str(old))

    def _write(self, id: int, state: Any, progress: dict[str, Any]) -> None:
        checksums = sealed({"leaves": leaf_digests(state), "progress": digest_of(progress)})
        self.manager.save(
            id,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),
                progress=ocp.args.JsonSave(progress),
                checksums=ocp.args.JsonSave(checksums),
            ),
            force=True,  # else a stranger's folder with a higher number would prevent the save
        )
        # Orbax may report success although nobody can read what it wrote.
        self.restore(id, lambda _: state, None)

    def _discard(self, id: int) -> None:
        """Removes the save that failed, and closes the manager, which counts it as saved."""
        with suppress(Exception):  # it can only raise the same error again
            self.close()
        with suppress(OSError):
            remove_checkpoint(self.folder / str(id))
        remove_left_over(self.folder, seconds=2.0)  # threads of Orbax may still be writing

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
        reading = reading_verified if check_files(path) else damage_named
        with reading(path, "progress"):
            progress = self._read(id, progress=ocp.args.JsonRestore()).progress
        with reading(path, "checksums"):
            checksums = self._checksums(id, progress)
        with other_than_ours(path):
            target = like(progress)
        if checksums is None:
            warn(f"warning: {path} was saved without checksums, by an earlier version; not checked")
        else:
            check_fits(checksums, target, str(path))
        # To the host first: what is verified is what goes to the devices, whichever they are.
        on_host = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), target)
        with reading(path, "state"):
            state = self._read(id, state=ocp.args.StandardRestore(on_host)).state
        if checksums is not None:
            check_leaves(checksums, state, path)
        stays = (np.ndarray, np.generic)
        state = jax.tree.map(
            lambda x, y: y if isinstance(x, stays) else replicate(mesh, y), target, state
        )
        return Restored(id, state, progress)

    def _read(self, id: int, **args: Any) -> Any:
        check_small(self.folder / str(id), *(args.keys() - {"state"}))
        with quiet():
            return self.manager.restore(id, args=ocp.args.Composite(**args))

    def remove_all(self) -> None:
        """Removes every checkpoint, and the folder, but only what a save wrote."""
        self.close()
        for id in self.ids():
            remove_checkpoint(self.folder / str(id))
        remove_left_over(self.folder)
        remove_if_empty(self.folder)

    def _checksums(self, id: int, progress: dict[str, Any]) -> dict[str, list] | None:
        """Of the leaves; None for a checkpoint of the time before there were any.

        Raises:
          ValueError: they are damaged, or they do not fit the progress.
        """
        path = self.folder / str(id)
        if not (path / "checksums").exists():
            if "checksums" not in (path / "_CHECKPOINT_METADATA").read_text(encoding="utf-8"):
                return None
            raise ValueError("missing")
        checksums = unsealed(self._read(id, checksums=ocp.args.JsonRestore()).checksums)
        CHECKSUMS(checksums, "checksums")
        if checksums["progress"] != digest_of(progress):
            raise ValueError("that of progress does not fit")
        return checksums["leaves"]

    def set_aside(self, id: int) -> Path:
        """Move a checkpoint to `workdir/damaged`, over nothing that is there. Returns its place."""
        target = free_name(self.workdir / "damaged" / f"{self.folder.name}-{id}")
        make_private_folder(target.parent)
        os.rename(self.folder / str(id), target)
        self.close()  # the manager would still list it
        return target
