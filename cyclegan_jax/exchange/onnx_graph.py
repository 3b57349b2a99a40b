"""A generator as a graph of ONNX operations, written layer by layer; `onnx_file.py` makes a file of it.

Nothing is traced: `_resnet` and `_unet` name the layers in the order in which the images pass through, and `Graph` has
one method for each kind of layer.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.kernels.instance_norm import EPS
from cyclegan_jax.network_config import GeneratorConfig, Norm
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.layers import NORM_PARAMS

INPUT: Final = "image"
OUTPUT: Final = "translated"
FLOAT: Final = 1
UINT8: Final = 2
"""Two numbers of `onnx.TensorProto.DataType`, so that a graph can be built without onnx."""


@dataclass(frozen=True)
class Node:
    """One operation: its ONNX name, the names of its inputs, that of its output, and its attributes."""

    operation: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


@dataclass
class Graph:
    """Operations and constants in the order in which the images pass through; images are (N, C, H, W).

    Each method appends a layer after the value called `x`, and returns the name of the layer's output. A layer with
    weights is named by its place in the network, such as `blocks.0.conv1`.

    Attributes:
        params: the network's parameters.
        nodes: the operations so far.
        constants: the weights and other constants, by name.
    """

    params: Params
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def node(self, operation: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append one operation."""
        output = output or f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(Node(operation, inputs, output, attributes))
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant, unless there is one of that name; return the name."""
        self.constants.setdefault(name, np.ascontiguousarray(value, dtype))
        return name

    def at(self, place: str) -> dict[str, Any]:
        """The parameters of a layer, or of several in a list."""
        found: dict[Any, Any] = self.params
        for part in place.split("."):
            # A network without residual blocks has no list of them.
            found = found.get(int(part) if part.isdigit() else part, {})
        return found

    def places(self, name: str) -> list[str]:
        """The places of the layers in a list of the network, in order."""
        return [f"{name}.{number}" for number in sorted(self.at(name))]

    def channels(self, place: str) -> int:
        """How many channels the convolution at `place` makes."""
        made: int = self.at(place)["kernel"].shape[-1]
        return made

    def relu(self, x: str) -> str:
        """Set what is negative to 0."""
        return self.node("Relu", x)

    def reflect(self, x: str, pad: int) -> str:
        """Pad height and width by mirroring."""
        pads = self.constant(f"reflect_{pad}", [0, 0, pad, pad, 0, 0, pad, pad], np.int64)
        return self.node("Pad", x, pads, mode="reflect")

    def conv(self, x: str, place: str, norm: Norm = "none", *, stride: int = 1, padding: int = 0) -> str:
        """Convolve with zero padding on all sides, then normalise.

        Kernels are (k, k, in, out) in this package, and (out, in, k, k) in ONNX.
        """
        kernel = np.asarray(self.at(place)["kernel"]).transpose(3, 2, 0, 1)
        how = {"strides": [stride] * 2, "pads": [padding] * 4}
        return self._norm(self._convolution("Conv", x, place, kernel, how), place, norm)

    def transposed_conv(self, x: str, place: str, norm: Norm = "none") -> str:
        """Double height and width as `layers.TransposedConv` does, then normalise.

        ONNX's kernel is mirrored, and (in, out, k, k).
        """
        kernel = np.asarray(self.at(place)["kernel"])[::-1, ::-1].transpose(2, 3, 0, 1)
        # H rows become 2H + k - 2, of which pads cut off one at each end; a 3x3 kernel's last row is put back.
        how = {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [4 - kernel.shape[-1]] * 2}
        return self._norm(self._convolution("ConvTranspose", x, place, kernel, how), place, norm)

    def halve(self, x: str, channels: int) -> str:
        """Halve height and width by a blur, as `networks.antialias.halve` does."""
        taps = np.outer([1, 2, 1], [1, 2, 1]) / 16
        kernel = self.constant(f"blur_{channels}", np.tile(taps, (channels, 1, 1, 1)))
        return self.node("Conv", self.reflect(x, 1), kernel, strides=[2, 2], group=channels)

    def double(self, x: str) -> str:
        """Double height and width by bilinear interpolation, which `networks.antialias.double` is."""
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self.node("Resize", x, "", self.constant("twice", [1, 1, 2, 2]), **how)

    def antialiased_conv(self, x: str, place: str, norm: Norm) -> str:
        """Double height and width by bilinear interpolation, then convolve and normalise."""
        return self.conv(self.double(x), place, norm, padding=1)

    def resize_conv(self, x: str, place: str, norm: Norm) -> str:
        """Double height and width by repeating pixels, then convolve and normalise."""
        scales = self.constant("twice", [1, 1, 2, 2])
        # Asymmetric and floor: pixel p of the output is pixel p // 2 of the input.
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.conv(self.node("Resize", x, "", scales, **how), place, norm, padding=1)

    def _convolution(self, operation: str, x: str, place: str, kernel: np.ndarray, how: dict[str, Any]) -> str:
        inputs = [self.constant(f"{place}.kernel", kernel)]
        if (bias := self.at(place).get("bias")) is not None:
            inputs.append(self.constant(f"{place}.bias", bias))
        return self.node(operation, x, *inputs, **how)

    def _norm(self, x: str, place: str, kind: Norm) -> str:
        """Normalise as `networks.norms` does; the convolution at `place` holds the parameters."""
        if kind == "none":
            return x
        if kind == "batch":
            return self.node("BatchNormalization", x, *self._learned(place, kind), epsilon=EPS)
        # The rounded mean of equal values is not their value, and without variance the norm enlarges the difference 300
        # times, in each layer: a flat image would come out as noise. With the mean taken off twice, little remains.
        x = self.node("Sub", x, self.node("GlobalAveragePool", x))
        if kind == "instance":
            channels = self.channels(place)
            scale = self.constant(f"ones_{channels}", np.ones(channels))
            shift = self.constant(f"zeros_{channels}", np.zeros(channels))
            return self.node("InstanceNormalization", x, scale, shift, epsilon=EPS)
        return self.node("InstanceNormalization", x, *self._learned(place, kind), epsilon=EPS)

    def _learned(self, place: str, kind: Norm) -> list[str]:
        return [self.constant(f"{place}.{name}", self.at(place)[name]) for name in NORM_PARAMS[kind]]

    def from_uint8(self, x: str) -> str:
        """Scale (N, H, W, C) uint8 images to [-1, 1], as `data.images.to_model_range` does, and make them NCHW."""
        half = self.constant("half_range", 127.5)
        centred = self.node("Sub", self.node("Cast", x, to=FLOAT), half)
        return self.node("Transpose", self.node("Div", centred, half), perm=[0, 3, 1, 2])

    def to_uint8(self, x: str) -> str:
        """Round to uint8 in (N, H, W, C), as `data.images.to_uint8` does: half to even, and clipped."""
        one, half = self.constant("one", 1.0), self.constant("half_range", 127.5)
        scaled = self.node("Mul", self.node("Add", self.node("Transpose", x, perm=[0, 2, 3, 1]), one), half)
        limits = self.constant("darkest", 0.0), self.constant("brightest", 255.0)
        return self.node("Cast", self.node("Clip", self.node("Round", scaled), *limits), to=UINT8)


def build(model: Pretrained, *, uint8: bool = False) -> Graph:
    """The graph of a generator, from the value `image` to the value `translated`, with float32 weights.

    Args:
        model: the generator.
        uint8: whether both ends are (N, H, W, C) uint8 in [0, 255], instead of (N, C, H, W) float32 in [-1, 1].
    """
    graph = Graph(model.params)
    append = {"resnet": _resnet, "unet": _unet}[model.config.generator.kind]
    last = graph.node("Tanh", append(graph, graph.from_uint8(INPUT) if uint8 else INPUT, model.config.generator))
    graph.node("Identity", graph.to_uint8(last) if uint8 else last, output=OUTPUT)
    return graph


def _resnet(graph: Graph, x: str, config: GeneratorConfig) -> str:
    """Append the layers of `networks.generator.ResNetGenerator` before the tanh; dropout is off, as at test time."""
    norm = config.norm
    upsample = {
        "transposed": graph.transposed_conv,
        "resize": graph.resize_conv,
        "antialiased": graph.antialiased_conv,
    }[config.upsample]
    x = graph.relu(graph.conv(graph.reflect(x, 3), "stem", norm))
    for place in graph.places("down"):
        x = graph.relu(graph.conv(x, place, norm, stride=1 if config.antialias else 2, padding=1))
        x = graph.halve(x, graph.channels(place)) if config.antialias else x
    for place in graph.places("blocks"):
        h = graph.relu(graph.conv(graph.reflect(x, 1), f"{place}.conv1", norm))
        x = graph.node("Add", x, graph.conv(graph.reflect(h, 1), f"{place}.conv2", norm))
    for place in graph.places("up"):
        x = graph.relu(upsample(x, place, norm))
    return graph.conv(graph.reflect(x, 3), "head")


def _unet(graph: Graph, x: str, config: GeneratorConfig) -> str:
    """Append the layers of `networks.unet.UNetGenerator` before the tanh; dropout is off, as at test time."""
    first, *others = graph.places("down")
    skipped = [graph.conv(x, first, stride=2, padding=1)]
    for place in others:
        norm = config.norm if place != others[-1] else "none"
        skipped.append(graph.conv(graph.node("LeakyRelu", skipped[-1], alpha=0.2), place, norm, stride=2, padding=1))
    h = skipped.pop()
    for place in graph.places("up"):
        h = graph.node("Concat", skipped.pop(), graph.transposed_conv(graph.relu(h), place, config.norm), axis=1)
    return graph.transposed_conv(graph.relu(h), "head")
