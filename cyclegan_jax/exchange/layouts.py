"""The names of the tensors in files of PyTorch: which layer of a network each belongs to.

The official code, CUT and PyTorch-GAN build their networks as one `torch.nn.Sequential`, in which padding, norms and
activations count as layers too. docs/import.md has the indices that follow as a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

from cyclegan_jax.config import DiscriminatorConfig, GeneratorConfig

OFFICIAL_BLOCK: Final = "conv_block"
"""What the official code and CUT call the layers of a residual block."""
SHORT_BLOCK: Final = "block"
"""What PyTorch-GAN and other programs call them."""

PARTS: Final = {
    "kernel": ("convolution", "weight"),
    "bias": ("convolution", "bias"),
    "scale": ("norm", "weight"),
    "shift": ("norm", "bias"),
    "mean": ("norm", "running_mean"),
    "var": ("norm", "running_var"),
}
"""For each parameter of a layer here, the module that has it in PyTorch and its name there, in PyTorch's order."""


@dataclass(frozen=True)
class Layer:
    """A convolution, and the norm after it.

    Attributes:
        place: where its parameters are in a network here, such as `blocks.0.conv1`.
        convolution: the name of its module in PyTorch, such as `model.10.conv_block.1`.
        norm: the name of the norm's module, or an empty string where no norm follows.
        transposed: whether PyTorch has a transposed convolution, whose kernel is mirrored.
    """

    place: str
    convolution: str
    norm: str = ""
    transposed: bool = False

    def tensor(self, part: str) -> str:
        """The name of the tensor that holds a parameter, one of `PARTS`."""
        module, name = PARTS[part]
        return f"{self.convolution if module == 'convolution' else self.norm}.{name}"


@dataclass(frozen=True)
class Blur:
    """A filter of CUT, which is a tensor of its files although no training changes it.

    Attributes:
        module: the name of its module in PyTorch.
        channels: how often the tensor repeats it.
        taps: the filter along one axis.
    """

    module: str
    channels: int
    taps: tuple[float, ...]

    @property
    def tensor(self) -> str:
        """The name of the tensor."""
        return f"{self.module}.filt"

    @property
    def values(self) -> Float32[np.ndarray, "channels 1 taps taps"]:
        """The tensor: the filter along both axes."""
        kernel = np.outer(self.taps, self.taps).astype(np.float32)
        return np.tile(kernel, (self.channels, 1, 1, 1))


_HALVING: Final = (1 / 4, 2 / 4, 1 / 4)
_DOUBLING: Final = (1 / 4, 3 / 4, 3 / 4, 1 / 4)
Part = Layer | Blur


def generator(config: GeneratorConfig, block: str = OFFICIAL_BLOCK) -> tuple[Part, ...]:
    """The layers of a generator in the order of its tensors.

    Args:
        config: its kind and size.
        block: of a ResNet, `OFFICIAL_BLOCK` or `SHORT_BLOCK`.
    """
    return tuple(_unet(config) if config.kind == "unet" else _resnet(config, block))


def _resnet(config: GeneratorConfig, block: str) -> Iterator[Part]:
    yield Layer("stem", "model.1", "model.2")  # after a padding
    index = 4
    for number in range(2):
        yield Layer(f"down.{number}", f"model.{index}", f"model.{index + 1}")
        index += 3
        if config.antialias:
            yield Blur(f"model.{index}", config.width * 2 ** (number + 1), _HALVING)
            index += 1
    second = 6 if config.dropout > 0 else 5  # padding, convolution, norm, ReLU, dropout, padding, convolution
    for number in range(config.blocks):
        prefix, place = f"model.{index}.{block}", f"blocks.{number}"
        yield Layer(f"{place}.conv1", f"{prefix}.1", f"{prefix}.2")
        yield Layer(f"{place}.conv2", f"{prefix}.{second}", f"{prefix}.{second + 1}")
        index += 1
    for number in range(2):
        if config.upsample == "antialiased":
            yield Blur(f"model.{index}", config.width * 2 ** (2 - number), _DOUBLING)
        index += config.upsample != "transposed"  # a layer that enlarges the image
        yield Layer(f"up.{number}", f"model.{index}", f"model.{index + 1}", config.upsample == "transposed")
        index += 3
    yield Layer("head", f"model.{index + 1}")


def _unet(config: GeneratorConfig) -> Iterator[Part]:
    """Each level contains the next: activation, halving, norm, the next level, activation, doubling, norm."""
    last = config.depth - 1
    levels = ["model.model", *(f"model.model.1.model{'.3.model' * number}" for number in range(last))]
    for number, level in enumerate(levels):
        # The outermost begins without activation, and neither it nor the innermost has a norm there.
        yield Layer(f"down.{number}", f"{level}.{min(number, 1)}", f"{level}.2" if 0 < number < last else "")
    for number, level in enumerate(reversed(levels[1:])):
        index = 3 if number == 0 else 5
        yield Layer(f"up.{number}", f"{level}.{index}", f"{level}.{index + 1}", transposed=True)
    yield Layer("head", "model.model.3", transposed=True)


def discriminator(config: DiscriminatorConfig) -> tuple[Part, ...]:
    """The layers of a discriminator in the order of its tensors."""
    if config.kind == "pixel":
        return Layer("convs.0", "net.0"), Layer("convs.1", "net.2", "net.3"), Layer("head", "net.5")
    parts: list[Part] = [Layer("convs.0", "model.0")]
    index = 2
    count = config.n_layers if config.kind == "n_layers" else 3
    for number in range(1, count + 1):
        if config.antialias and config.kind == "n_layers":
            parts.append(Blur(f"model.{index}", config.width * min(2 ** (number - 1), 8), _HALVING))
            index += 1
        parts.append(Layer(f"convs.{number}", f"model.{index}", f"model.{index + 1}"))
        index += 3
    # PyTorch-GAN pads one side more before its head.
    return (*parts, Layer("head", f"model.{index + (config.kind == 'pytorch_gan')}"))
