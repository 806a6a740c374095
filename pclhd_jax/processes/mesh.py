"""One mesh over all devices: batches split along `data`, everything else copied to each."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pclhd_jax.processes.devices import check_jax


def make_mesh() -> Mesh:
    """All devices along one axis, `data`.

    Auto axes: the default Explicit ones refuse the bank's scatter. BatchNorm sees the
    whole batch, because a step is one program over the mesh.

    Raises ValueError: see `devices.check_jax`.
    """
    check_jax()
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


def check_divisible(num_rows: int, mesh: Mesh, setting: str) -> None:
    """Raises ValueError when `num_rows` pictures cannot be split evenly over the devices."""
    if num_rows % mesh.size:
        raise ValueError(
            f"{num_rows} pictures a batch do not divide over {mesh.size} devices; "
            f"change {setting}, or hide devices with CUDA_VISIBLE_DEVICES"
        )


def shard_batch(mesh: Mesh, batch: Any) -> Any:
    """A pytree of host arrays to the devices, rows split along `data`.

    With several processes, all give the whole batch and each keeps its own devices' rows.
    """
    return _placed(batch, NamedSharding(mesh, PartitionSpec("data")))


def replicate(mesh: Mesh, tree: Any) -> Any:
    """A pytree to every device, whole."""
    return _placed(tree, replicated(mesh))


def readable(x: Any) -> Any:
    """`x` so that every process can read all of it."""
    if not isinstance(x, jax.Array) or x.is_fully_addressable or x.is_fully_replicated:
        return x
    return replicate(x.sharding.mesh, x)


def _placed(tree: Any, sharding: NamedSharding) -> Any:
    if sharding.is_fully_addressable:  # one process
        return jax.device_put(tree, sharding)
    return jax.tree.map(partial(_placed_by_all, sharding=sharding), tree)


def _placed_by_all(x: Any, sharding: NamedSharding) -> jax.Array:
    """Every process has the whole `x`, or `x` is on the devices of all already."""
    if isinstance(x, jax.Array) and not x.is_fully_addressable:
        return jax.device_put(x, sharding)
    x = np.asarray(x)
    x = x.astype(jax.dtypes.canonicalize_dtype(x.dtype), copy=False)
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())
