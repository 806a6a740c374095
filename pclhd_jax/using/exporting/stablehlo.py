"""StableHLO by `jax.export`: one file for CPUs and CUDA, any batch size."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

from pclhd_jax.models.agw import AGW
from pclhd_jax.using.exporting.signature import Signature, encode

PLATFORMS = ("cpu", "cuda")


def write_stablehlo(path: Path, variables: Any, model: AGW, signature: Signature) -> None:
    """The serialized computation, weights inside. Computes in the model's own dtype."""
    shapes = [
        jax.ShapeDtypeStruct(export.symbolic_shape(", ".join(map(str, shape))), np.dtype(kind))
        for kind, shape in signature.inputs().values()
    ]
    function = jax.jit(partial(encode, variables, model=model, signature=signature))
    path.write_bytes(export.export(function, platforms=PLATFORMS)(*shapes).serialize())


def call_stablehlo(path: Path) -> Callable[..., np.ndarray]:
    """The file as a function of arrays, in the order of `Signature.inputs`."""
    exported = export.deserialize(bytearray(path.read_bytes()))
    return lambda *inputs: np.asarray(exported.call(*inputs))
