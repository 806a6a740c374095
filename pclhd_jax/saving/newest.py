"""The newest checkpoint that holds what was saved; damaged ones are passed over.

Of several processes, process 0 judges and chooses, and the others read what it has chosen.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from pclhd_jax.processes.exchange import from_first, number, together
from pclhd_jax.processes.progress import say
from pclhd_jax.saving.checkpoints import Checkpoints, Restored
from pclhd_jax.saving.integrity import DamagedCheckpoint

Like = Callable[[dict[str, Any]], Any]


def latest_epoch(workdir: str | Path) -> int | None:
    """Epochs done in the newest checkpoint of a workdir, or None; nothing is written."""
    return from_first(Checkpoints(workdir).latest)


def restore_newest(
    checkpoints: Checkpoints,
    like: Like,
    mesh: Mesh,
    warn: Callable[[str], None] = say,
    *,
    set_aside: bool = False,
) -> Restored | None:
    """The newest sound checkpoint, or None if there is none at all.

    like: from the progress, the pytree to restore into, as for `Checkpoints.restore`.
    warn: gets a line for every damaged checkpoint that was passed over.
    set_aside: move those away, so that their ids can be saved again.

    Raises:
      DamagedCheckpoint: all are damaged; nothing was moved.
      ValueError: it holds another pytree than `like`.
      OSError: another process than 0 cannot read it.
    """
    restored: Restored | None = None

    def choose() -> int | None:
        nonlocal restored
        restored = _choose(checkpoints, like, mesh, warn, set_aside)
        return restored and restored.id

    id = from_first(choose)
    if id is None:
        return None
    return together("restore", lambda: restored or _follow(checkpoints, id, like, mesh))


def _choose(
    checkpoints: Checkpoints, like: Like, mesh: Mesh, warn: Callable[[str], None], set_aside: bool
) -> Restored | None:
    damaged: dict[int, DamagedCheckpoint] = {}
    for id in reversed(checkpoints.ids()):
        try:
            restored = checkpoints.restore(id, like, mesh, warn)
            break
        except DamagedCheckpoint as error:
            damaged[id] = error
    else:
        if damaged:
            raise DamagedCheckpoint(*(line for e in damaged.values() for line in e.lines))
        return None
    for passed, error in damaged.items():
        moved = f", and {passed} is now {checkpoints.set_aside(passed)}" if set_aside else ""
        warn(f"warning: {error.lines[0]}; checkpoint {id} is used instead{moved}")
    return restored


def _follow(checkpoints: Checkpoints, id: int, like: Like, mesh: Mesh) -> Restored:
    """On the other processes, which move nothing, whatever they see."""
    try:
        return checkpoints.restore(id, like, mesh)
    except DamagedCheckpoint as error:
        raise OSError(
            f"process {number()} cannot read what process 0 has read ({error.lines[0]}); is "
            "the workdir on a disk that all share?"
        ) from error
