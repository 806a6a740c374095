"""The encoder that a workdir holds, without the rest of the run."""

from pathlib import Path
from typing import Any, NamedTuple

from pclhd_jax.experiment import state_shapes
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.newest import latest_epoch, restore_newest
from pclhd_jax.saving.workdir import read_json
from pclhd_jax.settings import Settings, settings_of


class Encoder(NamedTuple):
    variables: dict[str, Any]  # params and batch_stats, on every device
    settings: Settings  # the run's
    epochs_done: int
    stage: int


def load_encoder(workdir: str | Path) -> Encoder:
    """The encoder of a run's newest sound checkpoint: the momentum encoder in stage 2.

    Says so if a newer one is damaged. Writes nothing.

    Raises:
      FileNotFoundError: a workdir without a checkpoint or without config.json.
      DamagedCheckpoint: a ValueError; all its checkpoints are damaged.
    """
    latest = latest_epoch(workdir)
    path = Path(workdir) / "config.json"
    if latest is None or not path.exists():
        raise FileNotFoundError(
            f"no {'checkpoint' if latest is None else 'config.json'} in {workdir}; "
            "name the workdir of a run that has finished an epoch"
        )
    settings = settings_of(read_json(path))
    with Checkpoints(workdir) as checkpoints:
        epochs_done, state, progress = restore_newest(
            checkpoints, lambda _: state_shapes(settings), make_mesh()
        )
    variables = state.online if progress["stage"] == 1 else state.momentum
    return Encoder(variables, settings, epochs_done, progress["stage"])
