import numpy as np
import pytest

from pclhd_jax.processes.mesh import check_divisible, make_mesh, replicate, shard_batch


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
