"""The PyTorch reference generator as an ONNX model, written node by node.

PyTorch's own exporters either are deprecated or need another package, and they compute padding sizes inside the graph.
This one writes constants, so that each runtime gets the smallest graph.
"""

from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from tests.parity.reference_networks import Generator, Residual

INPUT = "images"
OUTPUT = "output"


def model(network: Generator, shape: tuple[int, int, int, int]) -> bytes:
    """Serialise the generator as ONNX.

    Args:
        network: the reference generator; its weights become initializers.
        shape: (N, C, H, W) of the input, fixed in the model.

    Raises:
        TypeError: the network has a layer that this module does not know.
    """
    graph = _Graph()
    last = graph.sequence(network.parts, INPUT)
    graph.node("Identity", [last], output=OUTPUT)
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in (INPUT, OUTPUT)]
    built = helper.make_graph(graph.nodes, "generator", value[:1], value[1:], graph.initializers)
    # Opset and IR version of 2024, which the runtimes of `pip install '.[benchmarks]'` read.
    proto = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


class _Graph:
    """Nodes and constants, collected in the order in which the images pass through."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def sequence(self, layers: nn.Sequential, name: str) -> str:
        """Append all layers after the value `name`; return the name of the last output."""
        for layer in layers:
            name = self.layer(layer, name)
        return name

    def layer(self, layer: nn.Module, name: str) -> str:
        """Append one layer after the value `name`; return its output's name."""
        if isinstance(layer, Residual):
            return self.node("Add", [name, self.sequence(layer.branch, name)])
        if isinstance(layer, nn.ReflectionPad2d):
            left, right, top, bottom = layer.padding
            return self.node("Pad", [name, self.constant([0, 0, top, left, 0, 0, bottom, right])], mode="reflect")
        if isinstance(layer, nn.ConvTranspose2d):
            return self.convolution("ConvTranspose", layer, name, output_padding=list(layer.output_padding))
        if isinstance(layer, nn.Conv2d):
            return self.convolution("Conv", layer, name)
        if isinstance(layer, nn.InstanceNorm2d):
            weights = [self.constant(np.full(layer.num_features, value, np.float32)) for value in (1, 0)]
            return self.node("InstanceNormalization", [name, *weights], epsilon=layer.eps)
        if isinstance(layer, nn.Upsample):
            scales = self.constant(np.array([1, 1, layer.scale_factor, layer.scale_factor], np.float32))
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            return self.node("Resize", [name, "", scales], **how)
        if isinstance(layer, nn.ReLU):
            return self.node("Relu", [name])
        if isinstance(layer, nn.Tanh):
            return self.node("Tanh", [name])
        raise TypeError(f"no ONNX form for {type(layer).__name__}: add it to benchmarks/onnx_graph.py")

    def convolution(self, kind: str, layer: Any, name: str, **attributes: Any) -> str:
        """Append a convolution with its weights, stride and zero padding."""
        weights = [self.constant(_numpy(tensor)) for tensor in (layer.weight, layer.bias)]
        high, wide = layer.padding
        return self.node(
            kind, [name, *weights], strides=list(layer.stride), pads=[high, wide, high, wide], **attributes
        )

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Append a node; return its output's name."""
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: np.ndarray | list[int]) -> str:
        """Add an initializer; return its name. A list of int becomes int64."""
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
