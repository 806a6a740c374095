"""Places of a run where a process can be made to die, by name."""

import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Name -> what is wrapped: the process dies as its n-th call begins.
POINTS = {
    "features": "pclhd_jax.training.features:readable",
    "neighbour search": "pclhd_jax.clustering.neighbour_search:_search_tile",
    "clustering": "pclhd_jax.clustering.both_modalities:labels_of",
    "matching": "pclhd_jax.clustering.both_modalities:match_clusters",
    "a file renamed": "pclhd_jax.system.whole_files:os.replace",
    "banks": "pclhd_jax.training.run_epoch:make_banks",
    "step": "pclhd_jax.training.step_loop:finite_history",
    "hand-over": "pclhd_jax.training.train:hand_over",
    "evaluation": "pclhd_jax.training.scores:score",
    "record": "pclhd_jax.reports.records:append_line",
    "save": "pclhd_jax.saving.checkpoints:Checkpoints.save",
    "save, written": "pclhd_jax.saving.checkpoints:check_written",
    "save, read back": "pclhd_jax.saving.checkpoints:write_manifest",
    "old saves removed": "pclhd_jax.saving.removing:remove_if_empty",
}
# Dies while Orbax writes: some files are there, the save is not.
IN_THE_MIDDLE = "save, half-way"
NAMES = (*POINTS, IN_THE_MIDDLE)


def arm(name: str, count: int, workdir: str | Path, signum: int = signal.SIGKILL) -> None:
    """This process will send itself `signum` at the `count`-th passing of a point, from 1."""
    if name == IN_THE_MIDDLE:
        wrap(POINTS["save"], count, lambda: kill_when_files_appear(Path(workdir)))
    else:
        wrap(POINTS[name], count, lambda: os.kill(os.getpid(), signum))


def wrap(place: str, count: int, act: Callable[[], None]) -> None:
    module_name, _, path = place.partition(":")
    owner: Any = importlib.import_module(module_name)
    *outer, last = path.split(".")
    for name in outer:
        owner = getattr(owner, name)
    original, left = getattr(owner, last), [count]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            act()
        return original(*args, **kwargs)

    setattr(owner, last, wrapped)


def kill_when_files_appear(workdir: Path) -> None:
    """Watches from a thread for a save that has files and is not committed."""

    def watch() -> None:
        while True:
            for half in workdir.glob("*/*.orbax-checkpoint-tmp*"):
                if any(path.is_file() for path in half.rglob("*")):
                    os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.0005)

    threading.Thread(target=watch, daemon=True).start()
