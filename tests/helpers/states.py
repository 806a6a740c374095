"""Tiny states to save, with leaves of every kind; also for processes that a test starts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pclhd_jax.method.state import TrainState
from pclhd_jax.processes.mesh import make_mesh, replicate
from pclhd_jax.saving.checkpoints import Checkpoints


def small_state(value):
    params = {"bottleneck": {"scale": jnp.full(3, value)}, "kernel": jnp.full((3, 2), value)}
    stats = {"mean": jnp.full(2, value)}
    return TrainState(params, stats, params, stats, optax.adam(1e-3).init(params))


def mixed_tree(value):
    """As a save within an epoch has it: device arrays, and NumPy ones of types JAX would cut."""
    return {
        "state": small_state(value),
        "banks": {
            "half_KD": (jnp.arange(12.0).reshape(4, 3) / 8 * value).astype(jnp.bfloat16),
            "live_K": jnp.array([True, True, False, value > 1]),
        },
        "labels_N": np.array([-1, 0, 2**40, int(value)]),
        "history": np.array([[value / 3, np.nan], [-0.0, 1e-300]]),
        "column_major": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
    }


def assert_same_bits(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    assert jax.tree.structure(one) == jax.tree.structure(other)


def start(task, *arguments, devices=1):
    """Start `task`, a function of this module, in a process with so many CPU devices."""
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-m", "tests.helpers.states", task, *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, env=env, stderr=subprocess.PIPE, text=True)


def save(workdir):
    checkpoints = Checkpoints(workdir, keep=1)
    checkpoints.save(1, replicate(make_mesh(), small_state(1 / 3)), {"stage": 1})


def restore(workdir, devices):
    mesh = make_mesh()
    assert mesh.size == int(devices)
    checkpoints = Checkpoints(workdir)
    state = checkpoints.restore(1, lambda _: small_state(0.0), mesh).state
    for leaf, expected in zip(*map(jax.tree.leaves, (state, small_state(1 / 3))), strict=True):
        assert len(leaf.addressable_shards) == mesh.size
        for shard in leaf.addressable_shards:
            assert_same_bits(shard.data, expected)


def save_until_killed(workdir, event, end_of_path):
    """Save checkpoints 1 and 2; in the second, SIGKILL before the named call of the system."""

    def watch(name, arguments):
        # The path is the first argument, but of a renaming the second.
        if name == event and str(arguments[event == "os.rename"]).endswith(end_of_path):
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints = Checkpoints(workdir, keep=1)
    checkpoints.save(1, mixed_tree(1.5), {})
    sys.addaudithook(watch)
    checkpoints.save(2, mixed_tree(2.5), {})


if __name__ == "__main__":
    {f.__name__: f for f in (save, restore, save_until_killed)}[sys.argv[1]](*sys.argv[2:])
