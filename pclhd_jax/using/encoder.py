"""The encoder that a CHECKPOINT names (`checkpoint_name`), without the rest of the run."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pclhd_jax.method.state import TrainState
from pclhd_jax.models.agw import AGW
from pclhd_jax.processes.devices import check_jax
from pclhd_jax.processes.exchange import from_first, together
from pclhd_jax.processes.mesh import make_mesh, replicate
from pclhd_jax.saving.checkpoint_name import (
    HEIGHT,
    WIDTH,
    RunCheckpoint,
    instead_of_damaged,
    parse_checkpoint,
)
from pclhd_jax.saving.checkpoints import Checkpoints, Restored
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.saving.leaves import digest_of_leaves
from pclhd_jax.saving.newest import restore_newest
from pclhd_jax.saving.record_shapes import of_epoch
from pclhd_jax.settings.kept import read_settings
from pclhd_jax.settings.sections import Settings
from pclhd_jax.training.experiment import make_model, state_shapes
from pclhd_jax.weights.agw_torch import agw_from_torch, agw_of
from pclhd_jax.weights.files import read_weights

SIZES = range(16, 4097)  # as config.data.height and width


class Encoder(NamedTuple):
    """settings, epochs_done and stage: of the run; None where a weight file tells none."""

    variables: dict[str, Any]  # params and batch_stats, on every device
    model: AGW
    height: int  # of the pictures it takes
    width: int
    digest: str  # of the variables: a run's encoder and its export have the same
    origin: str  # for people: CHECKPOINT as it was named, epochs, recipe
    settings: Settings | None = None
    epochs_done: int | None = None
    stage: int | None = None


def load_encoder(
    checkpoint: str | os.PathLike, *, height: int | None = None, width: int | None = None
) -> Encoder:
    """The encoder of a run (in stage 2 its momentum encoder) or of a weight file.

    Says so if a newer checkpoint of a workdir is damaged. Writes nothing.

    Args:
      checkpoint: a workdir (its newest sound checkpoint), one checkpoint of it
        (`RUN/checkpoints/12`), or a weight file as `weights.files` reads it.
      height, width: of the pictures, both or none: for a weight file that does not tell. By
        default the published 288 x 144. One that tells, and a run, take no others.

    Raises:
      FileNotFoundError: nothing there, no finished epoch, no config.json.
      ValueError: a folder that is none of these, weights that are not an AGW's, another size.
      DamagedCheckpoint: a ValueError; the checkpoint named, or all of the workdir, are damaged.
    """
    check_jax()
    if (height is None) != (width is None):
        raise ValueError(f"height is {height} and width {width}; give both, or none")
    named = from_first(parse_checkpoint, checkpoint)
    load = of_run if isinstance(named, RunCheckpoint) else of_file
    encoder = load(*named, height, width)
    return encoder._replace(
        digest=digest_of_leaves(jax.tree.map(np.asarray, encoder.variables)),
        origin=f"{checkpoint}{encoder.origin}",
    )


def of_run(
    workdir: Path, epochs_done: int | None, height: int | None, width: int | None
) -> Encoder:
    settings = read_settings(workdir)
    size = settings.data.height, settings.data.width
    check_size(workdir, size, (height, width))
    like, mesh = state_shapes(settings), make_mesh()
    checkpoints = Checkpoints(workdir)
    if epochs_done is None:
        restored = restore_newest(checkpoints, of_epoch(like), mesh)
    else:
        restored = together(
            "restore", lambda: restore_named(checkpoints, workdir, epochs_done, like, mesh)
        )
    epochs_done, state, progress = restored
    stage = progress["stage"]
    return Encoder(
        state.online if stage == 1 else state.momentum,
        make_model(settings),
        *size,
        digest="",
        origin=f" after {epochs_done} epochs (stage {stage}), recipe {settings.recipe}",
        settings=settings,
        epochs_done=epochs_done,
        stage=stage,
    )


def restore_named(
    checkpoints: Checkpoints, workdir: Path, epochs_done: int, like: TrainState, mesh: Mesh
) -> Restored:
    """No other is taken in its place."""
    try:
        return checkpoints.restore(epochs_done, of_epoch(like), mesh)
    except DamagedCheckpoint as error:
        raise DamagedCheckpoint(*error.lines, remedy=instead_of_damaged(workdir)) from error


def of_file(path: Path, height: int | None, width: int | None) -> Encoder:
    weights = read_weights(path)
    size = weights.picture_size
    if size is None:
        size = (HEIGHT, WIDTH) if height is None else (height, width)
    check_size(path, size, (height, width))
    try:
        variables, model = agw_from_torch(weights.tensors), agw_of(weights.tensors)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    variables = jax.tree.map(jnp.asarray, variables)
    return Encoder(replicate(make_mesh(), variables), model, *size, digest="", origin="")


def check_size(path: Path, size: tuple[int, int], asked: tuple[int | None, int | None]) -> None:
    """Raises ValueError for a size that no encoder takes, and for another than that of `path`."""
    if not all(length in SIZES for length in size):
        raise ValueError(
            f"{path}: pictures of {size[0]} x {size[1]}; give a height and a width of "
            f"{SIZES[0]} to {SIZES[-1]:,}"
        )
    if asked not in ((None, None), size):
        raise ValueError(
            f"{path} takes pictures of {size[0]} x {size[1]}, asked for {asked[0]} x {asked[1]}; "
            "leave height and width out, or embed an index of that size again"
        )
