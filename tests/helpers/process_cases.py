"""What the processes of test_several_processes.py do.

python -m tests.helpers.process_cases CASE PLACE FOLDER [START_TIMEOUT_S]
"""

import errno
import json
import os
import shutil
import signal
import sys
import time

import jax
import numpy as np
import pytest

from pclhd_jax.processes import exchange
from pclhd_jax.processes.agreement import check_same_pictures, check_same_settings
from pclhd_jax.processes.launch import joined
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.processes.signals import Interrupted, Interrupts
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.newest import restore_newest
from pclhd_jax.saving.write_behind import WriteBehind
from tests.helpers.dense_jaccard import people
from tests.helpers.orbax_alone import before_each_save
from tests.helpers.tiny import tiny_config

PEER_TIMEOUT_S = 10
RESULT = "RESULT "  # before the line of JSON that the test reads


def error_of(work, *args):
    try:
        work(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def stopped_at(this):
    """Process 1 is asked to stop: the check that raises, and the exit code."""
    with Interrupts() as interrupts:
        if this == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        for number in range(100):
            try:
                interrupts.check()
            except Interrupted as stop:
                return [number, stop.exit_code]


def restore_what_process_1_cannot_read(path, this):
    checkpoints = Checkpoints(path, keep=2)
    for id in (1, 2):
        checkpoints.save(id, {"x": np.arange(4.0)}, {})

    if this == 1:  # its disk is another one, and an older copy lies there
        shutil.copytree(path / "checkpoints", path / "other" / "checkpoints")
        (path / "other/checkpoints/2/progress/metadata").unlink()
        checkpoints = Checkpoints(path / "other", keep=2)
    mesh = make_mesh()
    restore_newest(checkpoints, lambda _: {"x": np.zeros(4)}, mesh, set_aside=True)


def save_behind_the_run(path):
    """Written by process 0, whose disk is full; the run is asked to stop meanwhile."""
    from pclhd_jax.training import train  # here: it imports scikit-learn

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        before_each_save(patch, full)
        checkpoints = Checkpoints(path / "full", keep=1)
        with WriteBehind() as writer:
            checkpoints.save(1, {"x": np.arange(4.0)}, {}, writer)
            train.stopping_together(writer, stop)


def stop():
    raise Interrupted(signal.SIGTERM)


def shared_search():
    """Visible and infrared pictures searched here; whether one process alone finds the same."""
    # Here: they import scikit-learn, which takes a second that the other cases can do without.
    from pclhd_jax.clustering.both_modalities import search_epoch
    from pclhd_jax.clustering.cluster_settings import cluster_settings
    from pclhd_jax.settings.schedule import When
    from pclhd_jax.training import clusters

    settings, searched = cluster_settings(tiny_config("nowhere"), When(2, 0)), []
    z = people(2500, 90, 0.5), people(1100, 90, 0.5, seed=1)

    def watched(*args):
        lists = search_epoch(*args)
        searched.extend(len(found.indices_Nk) for found in lists[:2])
        return lists

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "search_epoch", watched)
        found = clusters.search_neighbours(z, settings)
    alone = search_epoch(*z, settings)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(alone), strict=True)
    return [searched, all(np.array_equal(one, other) for one, other in pairs)]


def helpers(path):
    """Every helper once; then process 0 is killed while process 1 waits for it."""
    this = exchange.gather(None) and int(not exchange.is_first())
    made, calls = path / "made", []

    def work(value):
        calls.append(value)
        return {"labels": np.arange(3), "from": value}

    def fail():
        raise FileNotFoundError(2, "no such list", "here.txt")

    def fail_on_1():
        if this == 1:
            raise ValueError("process 1 alone")

    shared = exchange.from_first(work, this)
    seen = exchange.first_then_all(lambda: (made.exists(), made.touch())[0])
    result = {
        "gathered": exchange.gather({"id": this}),
        "shared": [shared["labels"].tolist(), shared["from"]],
        "calls": len(calls),
        "seen": seen,
        "same": exchange.same_as_first({"x": np.float32([this, 0.1])})["x"].tolist(),
        "large": [len(value) for value in exchange.gather("x" * (5000 * (1 + this)))],
        "search": shared_search(),
        "stopped": stopped_at(this),
        "errors": [
            error_of(exchange.from_first, fail),
            error_of(exchange.together, "work", fail_on_1),
            error_of(exchange.barrier, f"place {this}"),
            error_of(exchange.from_first, exchange.gather, 1),
            error_of(check_same_settings, {"seed": this, "data": {"source": f"disk{this}"}}),
            error_of(check_same_pictures, {"train_visible": f"digest{this}"}),
            error_of(restore_what_process_1_cannot_read, path, this),
        ],
        "behind": error_of(save_behind_the_run, path),
        "checkpoints": sorted(x.name for x in (path / "checkpoints").iterdir()),
    }
    print(RESULT + json.dumps(result), flush=True)
    if exchange.is_first():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    exchange.gather("for ever")


def fail_alone(path):
    """Process 1 fails where process 0 waits for it."""
    if not exchange.is_first():
        raise MemoryError("no room for a batch")
    exchange.gather("for ever")


def fail_alike(path):
    """Both fail of the same, which they have not agreed on."""
    raise FloatingPointError("step 3: loss not finite")


if __name__ == "__main__":
    from pathlib import Path

    case, place, folder, *start_timeout_s = sys.argv[1:]
    start_timeout_s = int(start_timeout_s[0]) if start_timeout_s else 60
    with joined(json.loads(place), start_timeout_s=start_timeout_s, peer_timeout_s=PEER_TIMEOUT_S):
        globals()[case](Path(folder))
