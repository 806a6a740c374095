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
from pclhd_jax.saving.disk import disk_error, free_name, refused, remove_at_last
from pclhd_jax.saving.integrity import (
    check_files,
    check_fits,
    check_leaves,
    damage_named,
    damaged_files,
    digest_of,
    leaf_digests,
    reading_verified,
    sealed,
    unsealed,
    write_manifest,
)
from pclhd_jax.saving.quiet import quiet
from pclhd_jax.saving.writer import Writer, write_now_or_behind
from pclhd_jax.system.owners import let_owners_be_unknown

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

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        if self._manager is not None:
            self._manager.close()
        self._manager = None

    @property
    def manager(self) -> ocp.CheckpointManager:
        """Opened when it is needed, for it lists the folder once only."""
        if self._manager is None:
            writes = self.keep is not None and is_first()
            if writes:
                self.folder.mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(
                self.folder,
                options=ocp.CheckpointManagerOptions(
                    create=False,
                    multiprocessing_options=each_alone(),
                    cleanup_tmp_directories=writes,  # of a killed save
                    enable_async_checkpointing=False,
                ),
                item_names=("state", "progress", "checksums"),
            )
        return self._manager

    def ids(self) -> list[int]:
        """Of the finished checkpoints, damaged or not, ascending; nothing is opened."""
        if not self.folder.is_dir():
            return []
        paths = (path for path in self.folder.iterdir() if path.is_dir())
        return sorted(int(path.name) for path in paths if path.name.isdecimal())

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

        state: any pytree of NumPy arrays and of jax.Arrays that are whole on every device;
          Orbax takes no array without elements. progress: a small JSON object.
        writer: writes it while the caller goes on, and raises what went wrong later. A copy of the
          state is taken, when what was given to the writer before is written: one copy at a time is
          in memory. Until it has finished, nothing is to be asked of this object but to save.

        Raises:
          RuntimeError: Orbax did not take the id (it refuses, silently, one not newer).
          OSError: it could not be written; the older checkpoints are as they were.
        """
        from_first(self._save, id, jax.tree.map(readable, state), progress, writer)

    def _save(self, id: int, state: Any, progress: dict[str, Any], writer: Writer | None) -> None:
        def take() -> Callable[[], None]:
            # From the host: so the digests are of the very bytes that are written, each is fetched
            # once, and no device of this machine is needed to read them. Copies: on a CPU
            # np.asarray gives views, and both they and NumPy's own may change meanwhile.
            on_host = jax.tree.map(np.array, state)
            return partial(self._write_or_explain, id, on_host, progress)

        write_now_or_behind(writer, take)

    def _write_or_explain(self, id: int, state: Any, progress: dict[str, Any]) -> None:
        with quiet():
            try:
                saved = self._write(id, state, progress)
            except Exception as error:
                self._discard()
                reason = disk_error(error)
                if not reason:
                    raise
                size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
                text = refused(f"saving checkpoint {id}", self.folder, size, reason)
                raise OSError(f"{text}; {self._last_intact()}") from error
        if not saved:
            raise RuntimeError(
                f"Orbax did not save checkpoint {id} in {self.folder} (newest: {self.latest()}); "
                "is another run writing to this workdir?"
            )

    def _write(self, id: int, state: Any, progress: dict[str, Any]) -> bool:
        checksums = sealed({"leaves": leaf_digests(state), "progress": digest_of(progress)})
        saved = self.manager.save(
            id,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),
                progress=ocp.args.JsonSave(progress),
                checksums=ocp.args.JsonSave(checksums),
            ),
        )
        if saved:
            write_manifest(self.folder / str(id))
            # Only now, when the new one is complete: Orbax itself would not wait so long.
            for old in self.ids()[: -self.keep] if self.keep is not None else ():
                self.manager.delete(old)
        return saved

    def _discard(self) -> None:
        """Remove the half-written save, and forget the manager that believes in it."""
        manager, self._manager = self._manager, None
        if manager is not None:
            with suppress(Exception):  # it may only tell the same error again
                manager.close()
        for path in self.folder.glob("*.orbax-checkpoint-tmp*"):
            remove_at_last(path)  # threads of Orbax may still be writing

    def _last_intact(self) -> str:
        ids = reversed(self.ids())
        # [] alone says so: without a manifest nothing vouches for it.
        last = next((id for id in ids if damaged_files(self.folder / str(id)) == []), None)
        return "no other is known to be sound" if last is None else f"checkpoint {last} is intact"

    def restore(
        self,
        id: int,
        like: Callable[[dict[str, Any]], Any],
        mesh: Mesh,
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
        with quiet():
            return self.manager.restore(id, args=ocp.args.Composite(**args))

    def _checksums(self, id: int, progress: dict[str, Any]) -> dict[str, list] | None:
        """Of the leaves; None for a checkpoint of the time before there were any.

        Raises:
          ValueError: they are damaged, or they do not fit the progress.
        """
        path = self.folder / str(id)
        if not (path / "checksums").exists():
            if "checksums" not in (path / "_CHECKPOINT_METADATA").read_text():
                return None
            raise ValueError("missing")
        checksums = unsealed(self._read(id, checksums=ocp.args.JsonRestore()).checksums)
        if checksums["progress"] != digest_of(progress):
            raise ValueError("that of progress does not fit")
        return checksums["leaves"]

    def set_aside(self, id: int) -> Path:
        """Move a checkpoint to `workdir/damaged`, over nothing that is there. Returns its place."""
        target = free_name(self.workdir / "damaged" / f"{self.folder.name}-{id}")
        target.parent.mkdir(exist_ok=True)
        os.rename(self.folder / str(id), target)
        self.close()  # the manager would still list it
        return target


def each_alone() -> ocp.options.MultiprocessingOptions:
    """Orbax without its meetings, in which it would wait for a process that is lost."""
    this = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=this, active_processes={this})
