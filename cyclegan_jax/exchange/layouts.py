"""The names of the tensors in files of PyTorch: which layer of a network each belongs to.

The official code, CUT and PyTorch-GAN build their networks as one `torch.nn.Sequential`, in which padding, norms and
activations count as layers too. docs/exchange.md has the indices that follow as a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

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
"""For each parameter of a layer here, the module that has it in PyTorch, and its name there."""


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


def resnet(config: GeneratorConfig, block: str) -> tuple[Layer, ...]:
    """The layers of a ResNet generator.

    Args:
        config: its blocks, upsampling and dropout.
        block: `OFFICIAL_BLOCK` or `SHORT_BLOCK`.
    """
    return tuple(_resnet(config, block))


def _resnet(config: GeneratorConfig, block: str) -> Iterator[Layer]:
    yield Layer("stem", "model.1", "model.2")  # after a padding
    index = 4
    for number in range(2):
        yield Layer(f"down.{number}", f"model.{index}", f"model.{index + 1}")
        index += 3
    second = 6 if config.dropout > 0 else 5  # padding, convolution, norm, ReLU, dropout, padding, convolution
    for number in range(config.blocks):
        prefix, place = f"model.{index}.{block}", f"blocks.{number}"
        yield Layer(f"{place}.conv1", f"{prefix}.1", f"{prefix}.2")
        yield Layer(f"{place}.conv2", f"{prefix}.{second}", f"{prefix}.{second + 1}")
        index += 1
    transposed = config.upsample == "transposed"
    for number in range(2):
        index += not transposed  # a layer that repeats pixels
        yield Layer(f"up.{number}", f"model.{index}", f"model.{index + 1}", transposed)
        index += 3
    yield Layer("head", f"model.{index + 1}")


def discriminator(config: DiscriminatorConfig) -> tuple[Layer, ...]:
    """The layers of a PatchGAN discriminator."""
    layers = [Layer("convs.0", "model.0")]
    index = 2
    count = config.n_layers if config.kind == "n_layers" else 3
    for number in range(1, count + 1):
        layers.append(Layer(f"convs.{number}", f"model.{index}", f"model.{index + 1}"))
        index += 3
    # PyTorch-GAN pads one side more before its head.
    return (*layers, Layer("head", f"model.{index + (config.kind == 'pytorch_gan')}"))
