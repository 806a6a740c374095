"""A checkpoint's arrays as plain nested dicts of NumPy arrays, by its own account of itself.

No settings are needed, and not the devices that it was saved on: Orbax is told to hand out NumPy
arrays of the shapes and types that the checkpoint's metadata names.
"""

import math
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.processes.progress import say
from pclhd_jax.saving.checkpoints import Checkpoints, Restored
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.saving.items import saved_leaves
from pclhd_jax.saving.record_shapes import EPOCH
from pclhd_jax.system.json_shapes import fits
from pclhd_jax.using.inspection.places import Place, find_place, remedy_for
from pclhd_jax.weights.agw_torch import agw_from_torch
from pclhd_jax.weights.files import read_state_dict

MOST_SWELLING = 1000  # bytes of arrays for each byte of their compressed files


def load_params(checkpoint: str | os.PathLike) -> dict[str, Any]:
    """{'params', 'batch_stats'} of the encoder: of stage 2 the momentum encoder, as it is scored.

    checkpoint: a workdir (its newest sound checkpoint), one checkpoint (RUN/checkpoints/12) or a
      weight file. Arrays are NumPy's, whatever wrote them.

    Raises:
      FileNotFoundError: nothing is there.
      ValueError: a folder or file that holds no encoder.
      DamagedCheckpoint: a ValueError; it does not hold what was saved.
    """
    place = find_place(checkpoint)
    if place.weight_file is not None:
        return agw_from_torch(read_state_dict(place.weight_file))
    state, progress = load_state(checkpoint)[1:]
    if not fits(progress, EPOCH) or "params" not in state:
        raise ValueError(
            f"{checkpoint} is no checkpoint of a finished epoch; name one of RUN/checkpoints, or "
            "read its arrays by load_state"
        )
    prefix = "" if progress["stage"] == 1 else "momentum_"
    missing = [n for n in (f"{prefix}params", f"{prefix}batch_stats") if n not in state]
    if missing:
        raise ValueError(f"{checkpoint} has no {', '.join(missing)}; another program wrote it")
    return {kind: state[f"{prefix}{kind}"] for kind in ("params", "batch_stats")}


def load_state(checkpoint: str | os.PathLike) -> Restored:
    """(id, state, progress): all that a checkpoint holds, verified. Raises as `load_params`.

    state: nested dicts (lists, where the optimiser has tuples) of NumPy arrays. progress: stage
    and epoch within it, both as the run counts, and the epoch's record.
    """
    place = find_place(checkpoint)
    if not place.ids:
        raise ValueError(f"{checkpoint} is a weight file, not a checkpoint; load_params reads it")
    lines: list[str] = []
    for id in reversed(place.ids):
        try:
            restored = restore_plain(place, id)
            break
        except DamagedCheckpoint as error:
            lines += error.lines
    else:
        raise DamagedCheckpoint(*lines, remedy=remedy_for(checkpoint, place))
    for line in lines:
        say(f"warning: {line}; checkpoint {restored.id} is used instead")
    return restored


def restore_plain(place: Place, id: int) -> Restored:
    """As `Checkpoints.restore`, into what the checkpoint itself says that it is."""
    path = place.folder / str(id)

    def like(_: dict[str, Any]) -> Any:
        tree = saved_leaves(path)
        check_room(path, tree)
        return jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), tree)

    checkpoints = Checkpoints(place.folder.parent, folder=place.folder.name)
    return checkpoints.restore(id, like, make_mesh(), warn=lambda _: None)


def check_room(path: Path, tree: Any) -> None:
    """Raises ValueError for arrays that the files cannot hold: they would take any memory.

    tree: as `saved_leaves` gives it. Arrays of zeros compress well, but not without end.
    """
    total = sum(math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in jax.tree.leaves(tree))
    size = bytes_below(path / "state")
    if total > MOST_SWELLING * size:
        raise ValueError(f"its arrays would take {total:,} bytes, its files have {size:,}")


def bytes_below(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
