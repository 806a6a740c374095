"""Everything Orbax: one checkpoint per epoch, in Orbax's own layout, readable by plain Orbax.

Step ids are consecutive epoch ids, counted through both stages: checkpoint e holds the
state after e epochs.
"""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import Mesh

from pclhd_jax.sharding import replicated
from pclhd_jax.state import TrainState


class Checkpoints:
    """The checkpoints of one run. Use as a context manager, so that the last save is finished."""

    def __init__(self, workdir: str | Path, *, keep: int | None = None):
        """keep: how many of the newest stay; None: nothing is made or removed, only read."""
        self.manager = ocp.CheckpointManager(
            Path(workdir).absolute() / "checkpoints",
            options=ocp.CheckpointManagerOptions(max_to_keep=keep, create=keep is not None),
            item_names=("state", "progress"),
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: Any) -> None:
        self.manager.close()

    def save(self, epochs_done: int, state: TrainState, progress: dict[str, Any]) -> None:
        """Write the state after `epochs_done` epochs; `progress` is a small JSON object.

        Raises:
          RuntimeError: Orbax did not take the step (it refuses, silently, one not newer).
        """
        saved = self.manager.save(
            epochs_done,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(progress)
            ),
        )
        if not saved:
            raise RuntimeError(
                f"Orbax did not save epoch {epochs_done} (newest: {self.manager.latest_step()}); "
                "is another run writing to this workdir?"
            )

    def latest(self) -> int | None:
        """Epochs done in the newest checkpoint, or None."""
        return self.manager.latest_step()

    def restore(
        self, epochs_done: int, like: TrainState, mesh: Mesh
    ) -> tuple[TrainState, dict[str, Any]]:
        """The state and progress of a checkpoint, on every device of `mesh`.

        like: a state of our own making with the expected shapes; its values are not read.
        Explicit shardings: without them another topology's checkpoint is refused.
        """
        sharding = replicated(mesh)
        target = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like
        )
        restored = self.manager.restore(
            epochs_done,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(target), progress=ocp.args.JsonRestore()
            ),
        )
        return restored.state, restored.progress


def latest_epoch(workdir: str | Path) -> int | None:
    """Epochs done in the newest checkpoint of a workdir, or None; nothing is written."""
    if not (Path(workdir) / "checkpoints").is_dir():
        return None
    with Checkpoints(workdir) as checkpoints:
        return checkpoints.latest()
