"""Torch names and layouts <-> our tree, strict both ways.

Two kinds of torch state_dict, as plain dicts of NumPy arrays (`weights.files` reads and
writes the files): the AGW checkpoints of PCLHD's authors, and torchvision's ResNet. A key
that is missing, unknown or of another shape is an error that lists it. What such files carry
besides the encoder is known by name, and only that is passed over.
"""

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from pclhd_jax.models.agw import AGW
from pclhd_jax.settings.limits import channels
from pclhd_jax.system.text import printable
from pclhd_jax.weights.torch_names import (
    STEMS,
    TRUNK,
    Path,
    authors_names,
    from_torch_layout,
    to_torch_layout,
    torch_shape,
    trackers,
)

StateDict = dict[str, np.ndarray]
NECK_BIAS = "bottleneck.bias"  # there, fixed at 0; our neck has none
# Each stem is a whole ResNet of which conv1 and bn1 are used; the trunk is one whose stem is not.
UNUSED_IN_AGW = re.compile(
    r"(visible_module\.visible|thermal_module\.thermal)\.(layer[1-4]|fc)\."
    r"|base_resnet\.base\.(conv1|bn1|fc)\."
    r"|classifier\."
)
NOTHING = re.compile(r"(?!)")
UNUSED_IN_RESNET = re.compile(r"fc\.(weight|bias)$")
CLASSIFIER_ROWS = 1000  # of the authors' unused classifier, whatever the data
LISTED, LONGEST = 20, 120  # keys named in an error, characters of one


def agw_from_torch(state_dict: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Our variables from the authors' AGW state_dict, of any depth and width AGW has.

    The `module.` prefix of DataParallel may be there or not. Kernels OIHW -> HWIO, all
    float32. Returns {'params', 'batch_stats'} of NumPy arrays.

    Raises:
      ValueError: keys missing, unknown or of another shape (listed); a neck with a bias.
    """
    state = without_module_prefix(state_dict)
    if "conv1.weight" in state:
        raise ValueError(
            "these are a torchvision ResNet's weights, without stems, non-local blocks and neck; "
            "start a training from them by --config.init.imagenet"
        )
    model, names, shapes = authors_layout(state)
    shapes[NECK_BIAS] = (model.feature_width,)
    check(state, shapes, UNUSED_IN_AGW, f"AGW of ResNet-{model.depth}, width {model.width:g}")
    bias = float(np.abs(state[NECK_BIAS]).max())
    if bias:
        raise ValueError(
            f"{NECK_BIAS} reaches {bias:g}, in AGW it is fixed at 0; these weights come from a "
            "model whose neck has a bias: take a checkpoint of PCLHD's own program"
        )
    return unflatten_dict({path: from_torch_layout(state[name]) for path, name in names.items()})


def agw_to_torch(variables: Mapping[str, Any], *, complete: bool = False) -> StateDict:
    """The authors' names and layouts of our variables; `agw_from_torch` gives them back.

    Holds what the authors' model computes with, `num_batches_tracked` and the neck's zero
    bias, without `module.`: load it with `strict=False`. complete: also what their model
    carries unused, each part a copy of the used one (the classifier zeros), all names with
    `module.`: `DataParallel(model).load_state_dict` takes it with strict=True.

    Raises:
      ValueError: leaves missing, unknown or of another shape (listed).
    """
    leaves = {path: np.asarray(leaf) for path, leaf in flatten_dict(dict(variables)).items()}
    names = authors_names(leaves)
    # Our own tree is checked through its torch names: one check, one way to list.
    state = {names[path]: to_torch_layout(leaf) for path, leaf in leaves.items()}
    model, _, shapes = authors_layout(state)
    check(state, shapes, NOTHING, f"AGW of ResNet-{model.depth}, width {model.width:g}")
    state[NECK_BIAS] = np.zeros(model.feature_width, np.float32)
    state |= {tracker: np.zeros((), np.int64) for tracker in trackers(state)}
    return with_unused_parts(state) if complete else state


def resnet_leaves(
    state_dict: Mapping[str, np.ndarray], depth: int, width: float
) -> dict[Path, np.ndarray]:
    """Leaves of AGW(depth, width) that a torchvision ResNet gives: both stems and the trunk.

    Returns them by path. Non-local blocks and neck are not among them; the ResNet's fc is
    passed over.

    Raises:
      ValueError: a ResNet of another depth or width; keys missing, unknown or of another
        shape (listed).
    """
    state = without_module_prefix(state_dict)
    if any(name.startswith(tuple(STEMS.values())) for name in state):
        raise ValueError("this is an AGW checkpoint; give it as --config.init.agw")
    found = model_of(state, "", ["conv1.weight"])
    if (found.depth, int(64 * found.width)) != (depth, int(64 * width)):
        raise ValueError(
            f"these are weights of a ResNet-{found.depth} of width {found.width:g}, the config "
            f"asks for ResNet-{depth} of width {width:g}; set --config.model.depth={found.depth} "
            f"--config.model.width={found.width:.6g}, or leave config.init.imagenet empty"
        )
    template = shapes_of(depth, width)
    prefixes = tuple(f"{prefix}." for prefix in (*STEMS.values(), TRUNK))
    names = {
        path: name.removeprefix(prefix)
        for path, name in authors_names(template).items()
        for prefix in prefixes
        if name.startswith(prefix)
    }
    shapes = {name: torch_shape(template[path].shape) for path, name in names.items()}
    check(state, shapes, UNUSED_IN_RESNET, f"torchvision's ResNet-{depth}")
    return {path: from_torch_layout(state[name]) for path, name in names.items()}


def authors_layout(
    state: Mapping[str, Any],
) -> tuple[AGW, dict[Path, str], dict[str, tuple[int, ...]]]:
    """The model that `state` is of, its torch names by path, its torch shapes by name."""
    model = model_of(state, f"{TRUNK}.", [f"{stem}.conv1.weight" for stem in STEMS.values()])
    template = shapes_of(model.depth, model.width)
    names = authors_names(template)
    shapes = {names[path]: torch_shape(leaf.shape) for path, leaf in template.items()}
    return model, names, shapes


def agw_of(state_dict: Mapping[str, np.ndarray]) -> AGW:
    """The model whose weights an AGW state_dict holds."""
    return authors_layout(without_module_prefix(state_dict))[0]


def model_of(state: Mapping[str, Any], trunk: str, stem_names: list[str]) -> AGW:
    """The depth and width that the names and the first kernel's channels tell."""
    stems = [state[name] for name in stem_names if name in state]
    if not stems:
        some = listed(list(state)[:3])
        raise ValueError(
            f"no {' or '.join(stem_names)} among {len(state)} keys ({some}, ...); these are not "
            "weights of this architecture: see docs/weights.md"
        )
    kernel = stems[0].shape
    if len(kernel) != 4 or channels(kernel[0] / 64):
        raise ValueError(
            f"{stem_names[0]} has the shape {kernel}; this architecture has no such stem"
        )
    has = lambda block: any(name.startswith(f"{trunk}{block}.") for name in state)  # noqa: E731
    if has("layer1.0.conv3"):
        depth = 101 if has("layer3.6") else 50
    else:
        depth = 34 if has("layer1.2") else 18
    return AGW(depth, stems[0].shape[0] / 64)


@lru_cache
def shapes_of(depth: int, width: float) -> dict[Path, jax.ShapeDtypeStruct]:
    """Every leaf of AGW(depth, width), by path."""
    picture = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    init = partial(AGW(depth, width).init, train=False)
    return flatten_dict(jax.eval_shape(init, jax.random.key(0), picture, picture))


def check(
    state: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    unused: re.Pattern,
    what: str,
) -> None:
    """Raises ValueError unless `state` holds exactly `shapes`, besides what is known as unused."""
    missing = [name for name in shapes if name not in state]
    known = {*shapes, *trackers(shapes)}
    extra = [name for name in state if name not in known and not unused.match(name)]
    other = [
        f"{name} {tuple(state[name].shape)} instead of {shape}"
        for name, shape in shapes.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    bad = [name for name in shapes if name in state and not is_finite(state[name])]
    lists = (
        ("missing", missing),
        ("extra", extra),
        ("of another shape", other),
        ("not of finite floating-point numbers", bad),
    )
    lines = [f"  {len(names)} {kind}: {listed(names)}" for kind, names in lists if names]
    if lines:
        raise ValueError(
            f"{len(state)} keys, but not those of {what}:\n" + "\n".join(lines) + "\n"
            "load the file that belongs to this architecture; see docs/weights.md"
        )


def is_finite(value: np.ndarray) -> bool:
    is_float = value.dtype.kind in "fV"  # V: bfloat16, which NumPy knows by ml_dtypes alone
    return is_float and bool(np.isfinite(np.asarray(value, np.float32)).all())


def listed(names: list[str]) -> str:
    more = len(names) - LISTED
    shown = ", ".join(printable(name[:LONGEST], keep="") for name in names[:LISTED])
    return shown + (f" and {more} more" if more > 0 else "")


def without_module_prefix(state: Mapping[str, np.ndarray]) -> StateDict:
    prefixed = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if prefixed else name: v for name, v in state.items()}


def with_unused_parts(state: StateDict) -> StateDict:
    """`state` with the ResNet parts that the authors' model carries without using them."""
    unused: StateDict = {}
    for name, value in state.items():
        part = name.removeprefix(f"{TRUNK}.")
        if part != name:
            unused |= {f"{stem}.{part}": value for stem in STEMS.values()}
        part = name.removeprefix(f"{STEMS['visible']}.")
        if part != name:
            unused[f"{TRUNK}.{part}"] = value
    unused["classifier.weight"] = np.zeros((CLASSIFIER_ROWS, len(state[NECK_BIAS])), np.float32)
    return {f"module.{name}": value for name, value in (state | unused).items()}
