"""ResNet stages as torchvision defines them, without stem and head.

Blocks take `conv` and `norm` already bound (dtype, initialiser, train mode), so
that they say only what a block is. Submodules carry torchvision's names, which
makes weight files map one to one.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

Module = Callable[..., Any]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (ResNet-18 and 34)."""

    channels: int
    strides: int
    conv: Module
    norm: Module
    expansion = 1

    @nn.compact
    def __call__(self, x_BHWC: jax.Array) -> jax.Array:
        y_BHWC = self.conv(self.channels, (3, 3), self.strides, padding=1, name="conv1")(x_BHWC)
        y_BHWC = self.norm(relu=True, name="bn1")(y_BHWC)
        y_BHWC = self.conv(self.channels, (3, 3), padding=1, name="conv2")(y_BHWC)
        y_BHWC = self.norm(name="bn2")(y_BHWC)
        return nn.relu(y_BHWC + shortcut(self, x_BHWC))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1; the stride is on the 3x3 (ResNet-50 and 101)."""

    channels: int
    strides: int
    conv: Module
    norm: Module
    expansion = 4

    @nn.compact
    def __call__(self, x_BHWC: jax.Array) -> jax.Array:
        y_BHWC = self.conv(self.channels, (1, 1), name="conv1")(x_BHWC)
        y_BHWC = self.norm(relu=True, name="bn1")(y_BHWC)
        y_BHWC = self.conv(self.channels, (3, 3), self.strides, padding=1, name="conv2")(y_BHWC)
        y_BHWC = self.norm(relu=True, name="bn2")(y_BHWC)
        y_BHWC = self.conv(self.channels * self.expansion, (1, 1), name="conv3")(y_BHWC)
        y_BHWC = self.norm(name="bn3")(y_BHWC)
        return nn.relu(y_BHWC + shortcut(self, x_BHWC))


def shortcut(block: BasicBlock | Bottleneck, x_BHWC: jax.Array) -> jax.Array:
    """The identity, or a strided 1x1 projection where the shape changes."""
    channels = block.channels * block.expansion
    if block.strides == 1 and x_BHWC.shape[-1] == channels:
        return x_BHWC
    x_BHWC = block.conv(channels, (1, 1), block.strides, name="downsample_conv")(x_BHWC)
    return block.norm(name="downsample_bn")(x_BHWC)


class Trunk(NamedTuple):
    block: type[BasicBlock] | type[Bottleneck]
    blocks_per_stage: Sequence[int]


TRUNKS = {
    18: Trunk(BasicBlock, (2, 2, 2, 2)),
    34: Trunk(BasicBlock, (3, 4, 6, 3)),
    50: Trunk(Bottleneck, (3, 4, 6, 3)),
    101: Trunk(Bottleneck, (3, 4, 23, 3)),
}


def trunk_of_depth(depth: int) -> Trunk:
    """The block type and counts of ResNet-`depth`.

    Raises:
      ValueError: a depth that is none of 18, 34, 50, 101.
    """
    if depth not in TRUNKS:
        raise ValueError(f"no ResNet of depth {depth}; set config.model.depth to 18, 34, 50 or 101")
    return TRUNKS[depth]


# torchvision's initialisation of every convolution.
he_normal_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal", dtype=jnp.float32)
