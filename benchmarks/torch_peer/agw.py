"""AGW as a PyTorch user writes it: the layers of pclhd_jax/models, under the same names.

Pictures and activations are NCHW in channels_last memory.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from flax.traverse_util import flatten_dict
from torch import Tensor, nn
from torch.nn import functional as F

from pclhd_jax.models.agw import first_non_local_block
from pclhd_jax.models.resnet import trunk_of_depth
from pclhd_jax.weights.torch_names import LEAVES, to_torch_layout


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class Stem(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.bn1 = conv(3, channels, 7, 2), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, channels, 3, stride), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels, 3), nn.BatchNorm2d(channels)
        add_projection(self, inputs, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + projected(self, x))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int):
        super().__init__()
        outputs = self.expansion * channels
        self.conv1, self.bn1 = conv(inputs, channels, 1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = conv(channels, outputs, 1), nn.BatchNorm2d(outputs)
        add_projection(self, inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + projected(self, x))


def add_projection(block: nn.Module, inputs: int, outputs: int, stride: int) -> None:
    block.has_projection = stride != 1 or inputs != outputs
    if block.has_projection:
        block.downsample_conv = conv(inputs, outputs, 1, stride)
        block.downsample_bn = nn.BatchNorm2d(outputs)


def projected(block: nn.Module, x: Tensor) -> Tensor:
    return block.downsample_bn(block.downsample_conv(x)) if block.has_projection else x


class NonLocal(nn.Module):
    """f = theta phi^T has rank one: f g = theta (phi . g), as there."""

    def __init__(self, channels: int):
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(channels, 1, 1) for _ in range(3))
        self.W_conv, self.W_bn = nn.Conv2d(1, channels, 1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        seen = (self.phi(x) * self.g(x)).mean((2, 3), keepdim=True)
        return x + self.W_bn(self.W_conv(self.theta(x) * seen))


class Agw(nn.Module):
    """forward(visible, infrared): BNNeck features, visible rows first; either may be None."""

    def __init__(self, depth: int, width: float):
        super().__init__()
        channels = inputs = int(64 * width)
        self.visible, self.infrared = Stem(channels), Stem(channels)
        like, blocks_per_stage = trunk_of_depth(depth)
        block = {kind.expansion: kind for kind in (BasicBlock, Bottleneck)}[like.expansion]
        layers = OrderedDict()
        for stage, num_blocks in enumerate(blocks_per_stage, start=1):
            of_stage = channels * 2 ** (stage - 1)
            for b in range(num_blocks):
                stride = 2 if b == 0 and stage in (2, 3) else 1
                layers[f"layer{stage}_{b}"] = block(inputs, of_stage, stride)
                inputs = of_stage * block.expansion
                if b >= first_non_local_block(stage, num_blocks):
                    layers[f"non_local{stage}_{b}"] = NonLocal(inputs)
        self.trunk = nn.Sequential(layers)
        self.bottleneck = nn.BatchNorm1d(inputs)
        self.bottleneck.bias.requires_grad_(False)  # fixed at 0

    def forward(self, visible: Tensor | None, infrared: Tensor | None) -> Tensor:
        pairs = ((self.visible, visible), (self.infrared, infrared))
        streams = [stem(x) for stem, x in pairs if x is not None]
        x = self.trunk(torch.cat(streams) if len(streams) == 2 else streams[0])
        pooled = (x.float().pow(3).mean((2, 3)) + 1e-12).pow(1 / 3)
        return self.bottleneck(pooled)


def agw_with(variables: dict[str, Any], depth: int, width: float) -> Agw:
    """With the weights of our tree.

    Raises ValueError for a tree of another depth or width.
    """
    model = Agw(depth, width)
    state = {}
    for (_, *modules, leaf), value in flatten_dict(variables).items():
        if modules[0] not in ("visible", "infrared", "bottleneck"):
            modules = ["trunk", *modules]
        tensor = torch.from_numpy(to_torch_layout(np.array(value, np.float32)))
        state[".".join([*modules, LEAVES[leaf]])] = tensor
    missing = set(model.state_dict()) - set(state) - {"bottleneck.bias"}
    if left := [name for name in missing if not name.endswith("num_batches_tracked")]:
        raise ValueError(f"weights without {', '.join(sorted(left))}; are they of this encoder?")
    model.load_state_dict(state, strict=False)
    return model
