"""A workdir with checkpoints of random encoders, without a run."""

import json

import jax
import numpy as np

from pclhd_jax.models.resnet import TRUNKS, BasicBlock, Trunk
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.training.experiment import state_shapes
from tests.helpers.tiny import tiniest_config


def made_config(depth):
    """depth 4: a trunk of one block, which has few arrays; 5: a block a stage, so strides and
    non-local blocks too; 18: the least that has torch's names."""
    TRUNKS[5] = Trunk(BasicBlock, (1, 1, 1, 1))
    config = tiniest_config("nowhere")
    config.model.depth = depth
    config.stage2.epochs = 2
    return config


def random_state(config, seed):
    """No leaf at its start value; online and momentum encoder differ."""
    rng = np.random.default_rng(seed)

    def leaf(path, x):
        name = jax.tree_util.keystr(path[-1:], simple=True)
        if name in ("scale", "var"):
            return rng.uniform(0.5, 1.5, x.shape).astype(x.dtype)
        fan_in = int(np.prod(x.shape[:-1])) if name == "kernel" else 25
        return np.asarray(rng.normal(size=x.shape) / np.sqrt(fan_in)).astype(x.dtype)

    return jax.tree_util.tree_map_with_path(leaf, state_shapes(settings_of(config)))


def make_run(workdir, ids=(1, 2), depth=4):
    """The states by id. Of epoch 1 stage 1 is done, of 2 the first epoch of stage 2."""
    config, states = made_config(depth), {}
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text(json.dumps(config.to_dict()))
    checkpoints = Checkpoints(workdir, keep=len(ids))
    for id in ids:
        states[id] = random_state(config, id)
        progress = {"stage": 1, "epoch": 0} if id == 1 else {"stage": 2, "epoch": id - 2}
        checkpoints.save(id, states[id], progress)
    return states


def flip(path):
    """One byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def largest_file(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
