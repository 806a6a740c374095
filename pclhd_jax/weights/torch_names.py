"""Torch's name and layout of every leaf of an AGW tree, and back."""

import re
from collections.abc import Iterable

import numpy as np

from pclhd_jax.models.agw import first_non_local_block

Path = tuple[str, ...]  # of a leaf: collection, module, ..., leaf

STEMS = {"visible": "visible_module.visible", "infrared": "thermal_module.thermal"}
TRUNK = "base_resnet.base"
PARTS = {
    "downsample_conv": "downsample.0",
    "downsample_bn": "downsample.1",
    "g": "g.0",
    "W_conv": "W.0",
    "W_bn": "W.1",
}
LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def authors_names(paths: Iterable[Path]) -> dict[Path, str]:
    """The authors' name of every leaf of an AGW tree."""
    paths = list(paths)
    blocks = {path[1] for path in paths}
    num_blocks = {s: sum(name.startswith(f"layer{s}_") for name in blocks) for s in range(1, 5)}

    def name_of(path: Path) -> str:
        _, module, *parts, leaf = path
        if block := re.fullmatch(r"(layer|non_local)(\d)_(\d+)", module):
            kind, stage, b = block[1], int(block[2]), int(block[3])
            if kind == "layer":
                module = f"{TRUNK}.layer{stage}.{b}"
            else:  # theirs are counted from the first one of the stage
                module = f"NL_{stage}.{b - first_non_local_block(stage, num_blocks[stage])}"
        parts = [PARTS.get(part, part) for part in parts]
        return ".".join([STEMS.get(module, module), *parts, LEAVES.get(leaf, leaf)])

    return {path: name_of(path) for path in paths}


def trackers(names: Iterable[str]) -> list[str]:
    """torch's counters of batches, one for each norm; old files lack them, nothing needs them."""
    norms = [name.removesuffix("running_var") for name in names if name.endswith(".running_var")]
    return [f"{norm}num_batches_tracked" for norm in norms]


def torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else tuple(shape)


def from_torch_layout(value: np.ndarray) -> np.ndarray:
    """OIHW -> HWIO; vectors stay."""
    value = np.array(value, np.float32)  # a copy: the torch tensor may live on
    return np.ascontiguousarray(value.transpose(2, 3, 1, 0)) if value.ndim == 4 else value


def to_torch_layout(value: np.ndarray) -> np.ndarray:
    """HWIO -> OIHW; vectors stay."""
    return np.ascontiguousarray(value.transpose(3, 2, 0, 1)) if value.ndim == 4 else value
