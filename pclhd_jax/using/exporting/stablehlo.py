"""StableHLO by `jax.export`: one file for CPUs and CUDA, any batch size."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jaxlib
import numpy as np
from jax import export

from pclhd_jax.models.agw import AGW
from pclhd_jax.using.exporting.signature import Signature, encode

PLATFORMS = ("cpu", "cuda")
# What `jax.export` guarantees: https://docs.jax.dev/en/latest/export/export.html
NEWER_DAYS = 181  # the shortest six months


def write_stablehlo(path: Path, variables: Any, model: AGW, signature: Signature) -> None:
    """The serialized computation, weights inside. Computes in the model's own dtype."""
    shapes = [
        jax.ShapeDtypeStruct(export.symbolic_shape(", ".join(map(str, shape))), np.dtype(kind))
        for kind, shape in signature.inputs().values()
    ]
    function = jax.jit(partial(encode, variables, model=model, signature=signature))
    path.write_bytes(export.export(function, platforms=PLATFORMS)(*shapes).serialize())


def readable_until(today: date) -> str:
    """Which JAX reads a file that is written today, in one line.

    JAX counts from the day that the exporting jaxlib was released, which no package tells. It was
    released by today, so the last day here is the latest that the guarantee can end.
    """
    end = today + timedelta(days=NEWER_DAYS)
    return (
        f"guaranteed for JAX and jaxlib up to six months newer than jaxlib {jaxlib.__version__}, "
        f"so until {end} at the latest; keep the checkpoint, and export it again for a newer JAX"
    )


def call_stablehlo(path: Path) -> Callable[..., np.ndarray]:
    """The file as a function of arrays, in the order of `Signature.inputs`."""
    exported = export.deserialize(bytearray(path.read_bytes()))
    return lambda *inputs: np.asarray(exported.call(*inputs))
