"""One mesh over all devices: batches split along `data`, everything else copied to each."""

from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def make_mesh() -> Mesh:
    """All devices along one axis, `data`.

    Auto axes: the default Explicit ones refuse the bank's scatter. BatchNorm sees the
    whole batch, because a step is one program over the mesh.
    """
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


def check_divisible(num_rows: int, mesh: Mesh, setting: str) -> None:
    """Raises ValueError when `num_rows` pictures cannot be split evenly over the devices."""
    if num_rows % mesh.size:
        raise ValueError(
            f"{num_rows} pictures a batch do not divide over {mesh.size} devices; "
            f"change {setting}, or hide devices with CUDA_VISIBLE_DEVICES"
        )


def shard_batch(mesh: Mesh, batch: Any) -> Any:
    """A pytree of host arrays to the devices, rows split along `data`."""
    return jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))


def replicate(mesh: Mesh, tree: Any) -> Any:
    """A pytree to every device, whole."""
    return jax.device_put(tree, replicated(mesh))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())
