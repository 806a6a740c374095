"""The folder of one checkpoint, as Orbax writes and reads it: the items `state` and `progress`."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from pclhd_jax.saving.checkpoint_name import MANIFEST
from pclhd_jax.saving.integrity import DamagedCheckpoint, check_small, damage_line, damage_named
from pclhd_jax.saving.leaves import other_leaves
from pclhd_jax.saving.plain_name import PlainName
from pclhd_jax.saving.quiet import quiet
from pclhd_jax.system.owners import let_owners_be_unknown

let_owners_be_unknown()

VERIFIED_BY = {"verified by": MANIFEST}  # in Orbax's own record: a manifest that is lost is missed


def write_items(folder: Path, state: Any, progress: dict[str, Any]) -> None:
    """Makes `folder`. state: a pytree of host arrays. progress: a small JSON object."""
    items = ocp.args.Composite(
        state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(progress)
    )
    with PlainName(folder.parent) as parent, checkpointer() as orbax:
        orbax.save(parent.path / folder.name, args=items, custom_metadata=VERIFIED_BY)


def check_written(folder: Path, state: Any, progress: dict[str, Any]) -> None:
    """Reads back what `write_items` wrote, since Orbax may report success although nobody can.

    Raises DamagedCheckpoint where it is not what was to be written.
    """
    with damage_named(folder, "progress"):
        written = read_progress(folder)
    with damage_named(folder, "state"):
        back = read_state(folder, state)
    wrong = [f"leaf {name} has other values than were saved" for name in other_leaves(state, back)]
    if json.dumps(written, sort_keys=True) != json.dumps(progress, sort_keys=True):
        wrong.append("progress is not what was saved")
    if wrong:
        raise DamagedCheckpoint(damage_line(folder, wrong))


def read_progress(folder: Path) -> Any:
    check_small(folder / "progress")
    return _read(folder, progress=ocp.args.JsonRestore()).progress


def read_state(folder: Path, like: Any) -> Any:
    """Host arrays, into new ones of the shapes and types of `like`."""
    target = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), like)
    return _read(folder, state=ocp.args.StandardRestore(target)).state


def saved_leaves(folder: Path) -> Any:
    """A pytree of what has the shape and dtype of each leaf; no array is read."""
    with quiet(), PlainName(folder) as name, ocp.StandardCheckpointer() as orbax:
        found = orbax.metadata(name.path / "state")
    found = getattr(found, "item_metadata", found)  # older Orbax gives the inner one
    if found is None:
        raise ValueError("state does not say which arrays there are")
    return found.tree


def _read(folder: Path, **items: Any) -> Any:
    with quiet(), PlainName(folder.parent) as parent, checkpointer() as orbax:
        return orbax.restore(parent.path / folder.name, args=ocp.args.Composite(**items))


def checkpointer() -> ocp.Checkpointer:
    """Without Orbax's barriers between processes, where it would wait for one that is lost."""
    this = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=this, active_processes={this})
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=alone)
    )
    return ocp.Checkpointer(handler, multiprocessing_options=alone)
