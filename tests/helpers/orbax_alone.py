"""Orbax alone, without this project: it writes and reads checkpoints, and is made to wait."""

import importlib
import importlib.util
from pathlib import Path

import orbax.checkpoint as ocp


def save_by_orbax(workdir, id, state, progress):
    with ocp.CheckpointManager(workdir / "checkpoints") as manager:
        items = {"state": ocp.args.StandardSave(state), "progress": ocp.args.JsonSave(progress)}
        manager.save(id, args=ocp.args.Composite(**items))


def read_by_manager(workdir, id):
    """The state and the progress, by today's API."""
    with ocp.CheckpointManager(workdir / "checkpoints") as manager:
        items = {"state": ocp.args.StandardRestore(), "progress": ocp.args.JsonRestore()}
        restored = manager.restore(id, args=ocp.args.Composite(**items))
    return restored.state, restored.progress


def by_v1(module):
    def read(workdir, id):
        orbax = importlib.import_module(module)
        restored = orbax.load_checkpointables(workdir / "checkpoints" / str(id))
        return restored["state"], restored["progress"]

    return read


# Every API that this Orbax has; where V1 lies depends on the version.
V1 = ("orbax.checkpoint.v1", "orbax.checkpoint.experimental.v1")
READERS = {"CheckpointManager": read_by_manager} | {
    name: by_v1(name) for name in V1 if importlib.util.find_spec(name)
}


def before_each_save(monkeypatch, act):
    """Has `act(folder)` done whenever Orbax is to write a checkpoint; it may wait, or raise.

    folder: that of the checkpoints, with the number of the one to write as its last part.
    """
    save = ocp.Checkpointer.save

    def watched(orbax, folder, **items):
        folder = Path(folder)
        act(folder.with_name(folder.name.partition(".")[0]))
        save(orbax, folder, **items)

    monkeypatch.setattr(ocp.Checkpointer, "save", watched)
