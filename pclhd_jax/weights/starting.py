"""What an encoder starts from: ImageNet's ResNet, an AGW checkpoint, or chance."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from pclhd_jax.models.agw import AGW
from pclhd_jax.weights.agw_torch import agw_from_torch, agw_of, resnet_leaves
from pclhd_jax.weights.files import read_state_dict

NO_WEIGHTS = (
    "warning: training starts from random weights. Every published result starts from ImageNet's; "
    "expect clearly lower scores (how much lower has not been measured here). Get torchvision's "
    "ResNet-50 IMAGENET1K_V1, https://download.pytorch.org/models/resnet50-19c8e357.pth, and give "
    "--config.init.imagenet=FILE"
)


def read_starting_weights(model: AGW, *, imagenet: str, agw: str) -> dict[tuple[str, ...], Any]:
    """The leaves of the encoder that a file gives, by path; none if no file is named.

    imagenet: torchvision's ResNet of the model's depth: both stems and the trunk.
    agw: a checkpoint of PCLHD's authors, or one written by us: the whole encoder.

    Raises:
      ValueError: both files named; a file that does not fit (its keys are listed).
      FileNotFoundError: no such file.
    """
    path = agw or imagenet
    if not path:
        return {}
    state = read_state_dict(path)
    try:
        if imagenet:
            return resnet_leaves(state, model.depth, model.width)
        variables = agw_from_torch(state)
        check_same_model(agw_of(state), model)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return flatten_dict(variables)


def check_same_model(found: AGW, model: AGW) -> None:
    """Raises ValueError when the encoder found is of another depth or width than `model`."""
    if (found.depth, int(64 * found.width)) != (model.depth, int(64 * model.width)):
        raise ValueError(
            f"this encoder is a ResNet-{found.depth} of width {found.width:g}, the config asks for "
            f"ResNet-{model.depth} of width {model.width:g}; set "
            f"--config.model.depth={found.depth} --config.model.width={found.width:.6g}"
        )


def overlay(variables: Any, leaves: dict[tuple[str, ...], np.ndarray]) -> Any:
    """`variables` with `leaves` in the place of its own."""
    return unflatten_dict(flatten_dict(variables) | jax.tree.map(jnp.array, leaves))
