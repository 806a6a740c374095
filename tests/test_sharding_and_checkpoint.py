import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pclhd_jax.checkpoint import Checkpoints
from pclhd_jax.sharding import check_divisible, make_mesh, replicate, shard_batch
from pclhd_jax.state import TrainState


def small_state(value):
    params = {"kernel": jnp.full((3, 2), value), "bias": jnp.arange(2.0)}
    stats = {"mean": jnp.full(2, value)}
    return TrainState(params, stats, params, stats, optax.adam(1e-3).init(params))


def test_a_checkpoint_gives_back_every_leaf_and_the_progress(tmp_path):
    mesh = make_mesh()
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.latest() is None
        checkpoints.save(1, small_state(1.5), {"stage": 1, "epoch": 0})
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.latest() == 1
        state, progress = checkpoints.restore(1, small_state(0.0), mesh)
    assert progress == {"stage": 1, "epoch": 0}
    jax.tree.map(np.testing.assert_array_equal, state, small_state(1.5))


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for epochs_done in (1, 2, 3):
            checkpoints.save(epochs_done, small_state(1.0), {})
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir() if path.is_dir())
    assert kept == ["2", "3"]


def test_a_save_that_orbax_refuses_is_an_error(tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        checkpoints.save(2, small_state(1.0), {})
        with pytest.raises(RuntimeError, match="did not save epoch 1"):
            checkpoints.save(1, small_state(1.0), {})


def test_a_batch_that_does_not_divide_names_setting_and_devices():
    mesh = make_mesh()
    check_divisible(4 * mesh.size, mesh, "config.x")
    if mesh.size > 1:
        with pytest.raises(ValueError, match=rf"{mesh.size} devices; change config\.x"):
            check_divisible(4 * mesh.size + 1, mesh, "config.x")


def test_rows_are_split_and_trees_are_copied():
    mesh = make_mesh()
    x_B = shard_batch(mesh, np.arange(2 * mesh.size))
    assert len(x_B.addressable_shards[0].data) == 2
    copied = replicate(mesh, {"a": np.arange(3)})["a"]
    assert all(len(shard.data) == 3 for shard in copied.addressable_shards)
