"""AGW in evaluation as an ONNX graph, in torch's layout (batch, channels, height, width).

What `models/agw.py` and `models/resnet.py` compute, node by node, from the same tree of weights.
float32 throughout, whatever the encoder was trained in.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pclhd_jax.method.augment import IMAGENET_MEAN, IMAGENET_STD
from pclhd_jax.models.agw import AGW, first_non_local_block
from pclhd_jax.models.resnet import BasicBlock, trunk_of_depth
from pclhd_jax.using.exporting.extra import import_onnx, import_onnxruntime
from pclhd_jax.using.exporting.onnx_graph import Graph
from pclhd_jax.using.exporting.signature import Signature
from pclhd_jax.weights.torch_names import to_torch_layout

EPSILON = 1e-5
LAST = np.iinfo(np.int64).min  # where a slice that walks backwards ends: before the first column


def write_onnx(
    path: Path, variables: Any, model: AGW, signature: Signature, notes: dict[str, str]
) -> None:
    """One graph, any batch size, weights inside. notes: kept as the file's metadata."""
    graph = Graph()
    x = pictures(graph, signature)
    layers = Layers(graph, variables["params"], variables["batch_stats"])
    streams = [stem(layers, name, x) for name in signature.stems()]
    x = streams[0]
    if signature.modality == "both":
        x = graph.add("Where", "chosen_stem", "infrared", streams[1], streams[0])
    features(graph, layers.head(trunk(layers, model, x)), model.feature_width, signature.mirror)
    outputs = {"features": ("float32", ("batch", model.feature_width))}
    proto = graph.model(signature.inputs(), outputs, notes)
    import_onnx().save_model(proto, path)


def call_onnx(path: Path, signature: Signature) -> Any:
    """The file, run by onnxruntime on the CPU, as a function of arrays in `inputs`' order."""
    session = import_onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])
    names = list(signature.inputs())
    return lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


class Layers:
    """Convolution and norm by their place in the tree, as in `params["layer1_0"]["conv1"]`."""

    def __init__(self, graph: Graph, params: Mapping, batch_stats: Mapping):
        self.graph, self.params, self.stats = graph, params, batch_stats

    def conv(self, place: str, x: str, strides: int = 1, pad: int = 0) -> str:
        leaves = at(self.params, place)
        kernel = to_torch_layout(np.asarray(leaves["kernel"], np.float32))
        inputs = [x, self.graph.weight(f"{place}/kernel", kernel)]
        if "bias" in leaves:
            inputs.append(self.graph.number(f"{place}/bias", leaves["bias"]))
        sides = {"strides": [strides] * 2, "pads": [pad] * 4, "kernel_shape": kernel.shape[2:]}
        return self.graph.add("Conv", place, *inputs, **sides)

    def norm(self, place: str, x: str) -> str:
        leaves, stats = at(self.params, place), at(self.stats, place)
        scale = np.asarray(leaves["scale"], np.float32)
        values = {"scale": scale, "bias": leaves.get("bias", np.zeros_like(scale)), **stats}
        inputs = [
            self.graph.number(f"{place}/{leaf}", values[leaf])
            for leaf in ("scale", "bias", "mean", "var")
        ]
        return self.graph.add("BatchNormalization", place, x, *inputs, epsilon=EPSILON)

    def relu(self, x: str) -> str:
        return self.graph.add("Relu", f"{x}/relu", x)

    def head(self, x: str) -> str:
        """Generalised mean over positions with p 3, then the neck."""
        graph = self.graph
        cube = graph.add("Pow", "gem/cube", x, graph.number("gem/p", 3.0))
        mean = graph.add("ReduceMean", "gem/mean", cube, axes=[2, 3], keepdims=0)
        above = graph.add("Add", "gem/above_zero", mean, graph.number("gem/least", 1e-12))
        pooled = graph.add("Pow", "gem", above, graph.number("gem/one_by_p", 1 / 3))
        return self.norm("bottleneck", pooled)


def at(tree: Mapping, place: str) -> Mapping:
    for name in place.split("/"):
        tree = tree[name]
    return tree


def pictures(graph: Graph, signature: Signature) -> str:
    """Normalised, channels first; of `mirror` the mirrored pictures follow the pictures."""
    std_C = np.asarray(IMAGENET_STD)
    scale_C, shift_C = 1 / (255 * std_C), -np.asarray(IMAGENET_MEAN) / std_C
    x = graph.add("Cast", "floats", "images", to=1)
    x = graph.add("Transpose", "channels_first", x, perm=[0, 3, 1, 2])
    x = graph.add("Mul", "scaled", x, graph.number("scale", scale_C.reshape(1, 3, 1, 1)))
    x = graph.add("Add", "normalised", x, graph.number("shift", shift_C.reshape(1, 3, 1, 1)))
    if not signature.mirror:
        return x
    where = zip(("start", "end", "axis", "step"), (-1, LAST, 3, -1), strict=True)
    backwards = [graph.whole(f"mirror/{name}", value) for name, value in where]
    return graph.add("Concat", "views", x, graph.add("Slice", "mirrored", x, *backwards), axis=0)


def stem(layers: Layers, name: str, x: str) -> str:
    x = layers.conv(f"{name}/conv1", x, 2, 3)
    x = layers.relu(layers.norm(f"{name}/bn1", x))
    sides = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
    return layers.graph.add("MaxPool", f"{name}/pooled", x, **sides)


def trunk(layers: Layers, model: AGW, x: str) -> str:
    block, blocks_per_stage = trunk_of_depth(model.depth)
    for stage, num_blocks in enumerate(blocks_per_stage, start=1):
        for b in range(num_blocks):
            strides = 2 if b == 0 and stage in (2, 3) else 1
            x = (basic if block is BasicBlock else bottleneck)(
                layers, f"layer{stage}_{b}", x, strides
            )
            if b >= first_non_local_block(stage, num_blocks):
                x = non_local(layers, f"non_local{stage}_{b}", x)
    return x


def basic(layers: Layers, place: str, x: str, strides: int) -> str:
    y = layers.relu(layers.norm(f"{place}/bn1", layers.conv(f"{place}/conv1", x, strides, 1)))
    y = layers.norm(f"{place}/bn2", layers.conv(f"{place}/conv2", y, 1, 1))
    return joined(layers, place, x, y, strides)


def bottleneck(layers: Layers, place: str, x: str, strides: int) -> str:
    y = layers.relu(layers.norm(f"{place}/bn1", layers.conv(f"{place}/conv1", x)))
    y = layers.relu(layers.norm(f"{place}/bn2", layers.conv(f"{place}/conv2", y, strides, 1)))
    y = layers.norm(f"{place}/bn3", layers.conv(f"{place}/conv3", y))
    return joined(layers, place, x, y, strides)


def joined(layers: Layers, place: str, x: str, y: str, strides: int) -> str:
    """What the block adds, on its shortcut."""
    if "downsample_conv" in layers.params[place]:
        x = layers.conv(f"{place}/downsample_conv", x, strides)
        x = layers.norm(f"{place}/downsample_bn", x)
    return layers.relu(layers.graph.add("Add", place, y, x))


def non_local(layers: Layers, place: str, x: str) -> str:
    graph = layers.graph
    g, theta, phi = (layers.conv(f"{place}/{name}", x) for name in ("g", "theta", "phi"))
    product = graph.add("Mul", f"{place}/phi_g", phi, g)
    mean = graph.add("ReduceMean", f"{place}/mean", product, axes=[1, 2, 3], keepdims=1)
    y = layers.conv(f"{place}/W_conv", graph.add("Mul", f"{place}/y", theta, mean))
    return graph.add("Add", place, x, layers.norm(f"{place}/W_bn", y))


def features(graph: Graph, neck_BD: str, width: int, mirror: bool) -> str:
    """Rows of length one; of `mirror` the mean of picture and mirrored picture, made unit again."""
    if not mirror:
        return unit(graph, neck_BD, "features")
    rows_BD = unit(graph, neck_BD, "view_features")
    pairs = graph.add("Reshape", "pairs", rows_BD, graph.whole("pairs/shape", 2, -1, width))
    return unit(graph, graph.add("ReduceMean", "mean", pairs, axes=[0], keepdims=0), "features")


def unit(graph: Graph, x: str, name: str) -> str:
    square = graph.add("ReduceSumSquare", f"{name}/square", x, axes=[1], keepdims=1)
    least = graph.add("Max", f"{name}/least", square, graph.number(f"{name}/zero", 1e-24))
    return graph.add("Div", name, x, graph.add("Sqrt", f"{name}/length", least))
