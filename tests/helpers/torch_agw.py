"""AGW in plain torch.nn, with the names of the authors' checkpoints and their unused parts."""

import torch
from torch import nn
from torch.nn import functional as F

BLOCKS = {50: (3, 4, 6, 3)}
NON_LOCAL = {2: 2, 3: 3}


class Bottleneck(nn.Module):
    def __init__(self, inputs, inner, stride):
        super().__init__()
        outputs = 4 * inner
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Without fc, the last stage at stride 1."""

    def __init__(self, width):
        super().__init__()
        channels = int(64 * width)
        self.conv1 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        inputs = channels
        for stage, blocks in enumerate(BLOCKS[50], start=1):
            inner = channels * 2 ** (stage - 1)
            layers = []
            for b in range(blocks):
                layers.append(Bottleneck(inputs, inner, 2 if b == 0 and stage in (2, 3) else 1))
                inputs = 4 * inner
            setattr(self, f"layer{stage}", nn.Sequential(*layers))

    def stem(self, x):
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)


class NonLocal(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.g = nn.Sequential(nn.Conv2d(channels, 1, 1))
        self.theta = nn.Conv2d(channels, 1, 1)
        self.phi = nn.Conv2d(channels, 1, 1)
        self.W = nn.Sequential(nn.Conv2d(1, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x):
        g, theta, phi = (part(x).flatten(1) for part in (self.g, self.theta, self.phi))
        f = theta[:, :, None] * phi[:, None, :] / g.shape[1]  # (B, positions, positions)
        y = (f @ g[:, :, None]).reshape(len(x), 1, *x.shape[2:])
        return x + self.W(y)


class Holder(nn.Module):
    """Nothing but a name: `visible_module.visible`."""

    def __init__(self, name, module):
        super().__init__()
        setattr(self, name, module)


class TorchAGW(nn.Module):
    def __init__(self, width=1.0):
        super().__init__()
        self.visible_module = Holder("visible", ResNet(width))
        self.thermal_module = Holder("thermal", ResNet(width))
        self.base_resnet = Holder("base", ResNet(width))
        for stage, count in NON_LOCAL.items():
            channels = 4 * int(64 * width) * 2 ** (stage - 1)
            setattr(self, f"NL_{stage}", nn.ModuleList(NonLocal(channels) for _ in range(count)))
        features = 32 * int(64 * width)
        self.bottleneck = nn.BatchNorm1d(features)
        self.classifier = nn.Linear(features, 1000, bias=False)

    def forward(self, visible, infrared):
        x = torch.cat(
            [self.visible_module.visible.stem(visible), self.thermal_module.thermal.stem(infrared)]
        )
        for stage in range(1, 5):
            blocks = getattr(self.base_resnet.base, f"layer{stage}")
            first = len(blocks) - NON_LOCAL.get(stage, 0)
            for b, block in enumerate(blocks):
                x = block(x)
                if b >= first:
                    x = getattr(self, f"NL_{stage}")[b - first](x)
        pooled = (x.flatten(2).pow(3).mean(dim=2) + 1e-12).pow(1 / 3)
        features = self.bottleneck(pooled)
        return features if self.training else F.normalize(features)


def norms(model):
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]


@torch.no_grad()
def randomize(model, visible, infrared, seed=0):
    """No parameter at its start value; running statistics that fit the pictures, give or take."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(like, low, high):
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    for norm in norms(model):
        norm.weight.copy_(uniform(norm.weight, 0.5, 1.5))
        norm.bias.copy_(uniform(norm.bias, -0.3, 0.3))
        norm.momentum = 1.0
    model.bottleneck.bias.zero_()
    # What a block adds is small beside its shortcut, as in a trained network: at full scale a
    # chain of them multiplies float32's own rounding, here as there, to half the limit.
    for block in model.modules():
        last = {Bottleneck: lambda b: b.bn3, NonLocal: lambda b: b.W[1]}.get(type(block))
        if last is not None:
            last(block).weight.mul_(0.25)
            last(block).bias.mul_(0.25)
    model.train()
    model(visible, infrared)
    for norm in norms(model):
        norm.momentum = 0.1
        deviation = norm.running_var.sqrt()
        norm.running_mean.add_(deviation * uniform(deviation, -0.2, 0.2))
        norm.running_var.mul_(uniform(deviation, 0.7, 1.4))
