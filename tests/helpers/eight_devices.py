"""A search, a feature pass and a pass of training on all of eight devices, and on one of them.

python -m tests.helpers.eight_devices FILE.npz
"""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from pclhd_jax.clustering import neighbour_search
from pclhd_jax.clustering.epoch_neighbour_lists import search_apart_and_joint
from pclhd_jax.clustering.neighbour_search import SearchOptions
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.method.state import init_variables
from pclhd_jax.models.agw import AGW
from pclhd_jax.processes.mesh import replicate, shard_batch
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.training.experiment import make_feature_steps, make_model
from pclhd_jax.training.features import extract_features
from tests.helpers.dense_jaccard import people
from tests.helpers.tiny import tiniest_config


def lists_of_both():
    """Ten blocks and three tiles of visible rows, some equal; as arrays in a row."""
    z_ND = people(500, 20, 1.0, width=256)
    z_ND[290] = z_ND[7]
    lists = search_apart_and_joint(
        z_ND[:300],
        z_ND[300:],
        own_neighbours=20,
        joint_neighbours=30,
        l2=True,
        options=SearchOptions(32, 100),
    )
    return [x for found in lists for x in found]


def features_on(devices):
    settings = settings_of(tiniest_config("nowhere"))
    mesh = Mesh(np.array(devices), ("data",))
    model = make_model(settings)
    variables = init_variables(model, height=32, width=16, key=jax.random.key(0))
    variables = replicate(mesh, variables)
    rng = np.random.default_rng(0)
    images_NHWC = rng.integers(0, 256, (40, 32, 16, 3), np.uint8)
    steps = make_feature_steps(model, True)
    return [
        extract_features(steps[modality], variables, images_NHWC, batch_size=32, mesh=mesh)
        for modality in MODALITIES
    ]


def training_pass_on(devices, groups):
    """Features, gradient and the statistics that stay, each as one row of numbers."""
    mesh = Mesh(np.array(devices), ("data",))
    model = AGW(depth=18, width=0.125, bn_groups=groups)
    variables = init_variables(model, height=32, width=16, key=jax.random.key(0))
    rng = np.random.default_rng(1)
    visible, infrared = (np.float32(rng.normal(size=(n, 32, 16, 3))) for n in (32, 16))

    def loss(params, visible, infrared):
        z, moved = model.apply(
            variables | {"params": params}, visible, infrared, True, mutable=["batch_stats"]
        )
        return jnp.sum(jnp.sin(z)), (z, moved)

    gradient, (z, moved) = jax.jit(jax.grad(loss, has_aux=True))(
        replicate(mesh, variables["params"]), *shard_batch(mesh, (visible, infrared))
    )
    return [np.concatenate([np.ravel(x) for x in jax.tree.leaves(y)]) for y in (z, gradient, moved)]


def main(path):
    devices, sizes, search_blocks = jax.local_devices(), [], neighbour_search.search_blocks

    def watched(*args, mesh, **fixed):
        sizes.append(mesh.size)
        return search_blocks(*args, mesh=mesh, **fixed)

    neighbour_search.search_blocks = watched
    on_all, used = lists_of_both(), sorted(set(sizes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "local_devices", lambda: devices[:1])
        on_one = lists_of_both()
    arrays = {"lists_all": on_all, "lists_one": on_one}
    arrays |= {"features_all": features_on(devices), "features_one": features_on(devices[:1])}
    for groups in (1, 2):
        arrays[f"pass{groups}_all"] = training_pass_on(devices, groups)
        arrays[f"pass{groups}_one"] = training_pass_on(devices[:1], groups)
    named = {f"{name}_{i}": x for name, xs in arrays.items() for i, x in enumerate(xs)}
    np.savez(path, used=used, **named)


def found_by_eight_devices(path):
    """What `main` leaves, of a process that has eight."""
    count = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    subprocess.run(
        [sys.executable, "-m", "tests.helpers.eight_devices", str(path)],
        env=os.environ | {"XLA_FLAGS": count},
        cwd=Path(__file__).parents[2],
        check=True,
    )
    return np.load(path)


if __name__ == "__main__":
    main(sys.argv[1])
