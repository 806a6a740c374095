"""Nodes and weights of an ONNX graph, one call each, named as the tensors they make."""

from typing import Any

import numpy as np

from pclhd_jax.using.exporting.extra import import_onnx

OPSET = 17  # what runtimes since 2022 read
IR_VERSION = 8


class Graph:
    """Grows node by node; a node's name is its output's, of which each is made once."""

    def __init__(self) -> None:
        self.onnx = import_onnx()
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output, `name`, which is returned."""
        node = self.onnx.helper.make_node(op, list(inputs), [name], name=name, **attributes)
        self.nodes.append(node)
        return name

    def weight(self, name: str, value: np.ndarray) -> str:
        self.weights.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def number(self, name: str, value: Any) -> str:
        return self.weight(name, np.asarray(value, np.float32))

    def whole(self, name: str, *values: int) -> str:
        return self.weight(name, np.asarray(values, np.int64))

    def model(
        self, inputs: dict[str, tuple], outputs: dict[str, tuple], notes: dict[str, str]
    ) -> Any:
        """The checked ModelProto. inputs, outputs: name -> (type, shape). notes: its metadata."""
        helper = self.onnx.helper

        def described(tensors: dict[str, tuple]) -> list[Any]:
            return [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape
                )
                for name, (kind, shape) in tensors.items()
            ]

        graph = helper.make_graph(
            self.nodes, "agw", described(inputs), described(outputs), self.weights
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pclhd_jax"
        )
        helper.set_model_props(model, notes)
        self.onnx.checker.check_model(model, full_check=True)
        return model
