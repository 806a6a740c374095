"""Orbax's CheckpointManager, restricted to what it is asked for."""

from pathlib import Path

import jax
import orbax.checkpoint as ocp

from pclhd_jax.saving.checkpoint_name import ITEMS
from pclhd_jax.system.owners import let_owners_be_unknown

let_owners_be_unknown()


def open_manager(folder: Path) -> ocp.CheckpointManager:
    """Lists `folder` once, now; makes and removes nothing there except what it is asked to save."""
    return ocp.CheckpointManager(
        folder,
        options=ocp.CheckpointManagerOptions(
            create=False,
            multiprocessing_options=each_alone(),
            cleanup_tmp_directories=False,  # it would remove files of others
            enable_async_checkpointing=False,
        ),
        item_names=ITEMS,
    )


def each_alone() -> ocp.options.MultiprocessingOptions:
    """Orbax without its barriers, where it would wait for a process that is lost."""
    this = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=this, active_processes={this})
