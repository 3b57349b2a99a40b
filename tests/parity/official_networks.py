"""PyTorch networks with the module names of programs that trained CycleGANs, whose state dicts are files to import."""

import torch
from torch import nn

from tests.parity.reference_networks import biased, norm_of


class Block(nn.Module):
    """A residual block whose layers are called `conv_block` or `block`."""

    def __init__(self, channels: int, norm: str, name: str, dropout: bool):
        super().__init__()
        bias = biased(norm)
        first = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), norm_of(norm, channels), nn.ReLU()]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), norm_of(norm, channels)]
        self.name = name
        setattr(self, name, nn.Sequential(*first, *([nn.Dropout(0.5)] if dropout else []), *second))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layers: nn.Sequential = getattr(self, self.name)
        return x + layers(x)


class OfficialGenerator(nn.Module):
    """The ResNet generator of the official code, and with `upsample="resize"` and `block="block"` PyTorch-GAN's."""

    def __init__(
        self,
        channels: tuple[int, int] = (3, 3),
        width: int = 4,
        blocks: int = 2,
        norm: str = "instance",
        upsample: str = "transposed",
        block: str = "conv_block",
        dropout: bool = False,
    ):
        super().__init__()
        bias = biased(norm)

        def normed(convolution: nn.Module, number: int) -> list[nn.Module]:
            return [convolution, norm_of(norm, number), nn.ReLU()]

        parts: list[nn.Module] = [nn.ReflectionPad2d(3), *normed(nn.Conv2d(channels[0], width, 7, bias=bias), width)]
        for number in (width, 2 * width):
            parts += normed(nn.Conv2d(number, 2 * number, 3, stride=2, padding=1, bias=bias), 2 * number)
        parts += [Block(4 * width, norm, block, dropout) for _ in range(blocks)]
        for number in (4 * width, 2 * width):
            half = number // 2
            if upsample == "transposed":
                up = nn.ConvTranspose2d(number, half, 3, stride=2, padding=1, output_padding=1, bias=bias)
                parts += normed(up, half)
            else:
                parts += [nn.Upsample(scale_factor=2), *normed(nn.Conv2d(number, half, 3, padding=1, bias=bias), half)]
        parts += [nn.ReflectionPad2d(3), nn.Conv2d(width, channels[1], 7), nn.Tanh()]
        self.model = nn.Sequential(*parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        image: torch.Tensor = self.model(x)
        return image


class OfficialDiscriminator(nn.Module):
    """The n-layer PatchGAN of the official code, or PyTorch-GAN's with `pytorch_gan`."""

    def __init__(
        self, channels: int = 3, width: int = 4, n_layers: int = 3, norm: str = "instance", pytorch_gan: bool = False
    ):
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        before = width
        for index in range(1, n_layers + 1):
            after = width * min(2**index, 8)
            stride = 2 if index < n_layers or pytorch_gan else 1
            convolution = nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=biased(norm))
            parts += [convolution, norm_of(norm, after), nn.LeakyReLU(0.2)]
            before = after
        parts += [nn.ZeroPad2d((1, 0, 1, 0))] if pytorch_gan else []
        self.model = nn.Sequential(*parts, nn.Conv2d(before, 1, 4, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.model(x)
        return scores
