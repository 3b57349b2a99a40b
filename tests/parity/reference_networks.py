"""The networks in PyTorch, after the paper and PyTorch-GAN: the reference of the parity tests. Images are NCHW."""

import torch
from torch import nn


def initialise(network: nn.Module) -> None:
    """Draw weights from N(0, 0.02) and set biases to 0."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, 0.0, 0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def norm_of(kind: str, channels: int) -> nn.Module:
    """A norm by the name that our configs have for it; batch norm by its running statistics."""
    if kind == "batch":
        return nn.BatchNorm2d(channels).eval()
    return nn.Identity() if kind == "none" else nn.InstanceNorm2d(channels, affine=kind == "instance_affine")


def biased(kind: str) -> bool:
    """The official rule: a bias where the norm is an instance norm."""
    return kind.startswith("instance")


def binomial(taps: list[float], channels: int) -> torch.Tensor:
    """A separable filter of sum 1, for each channel by itself."""
    row = torch.tensor(taps, dtype=torch.float64) / sum(taps)
    return torch.outer(row, row).repeat(channels, 1, 1, 1)


class Blur(nn.Module):
    """CUT's downsampling: mirrored by a pixel, then every second pixel of a blur with [1 2 1]."""

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("filter", binomial([1, 2, 1], channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return nn.functional.conv2d(padded, self.get_buffer("filter"), stride=2, groups=x.shape[1])


class BlurredUpsample(nn.Module):
    """CUT's upsampling: the border repeated, a transposed convolution of stride 2 with [1 3 3 1], the rest cut off."""

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("filter", 4 * binomial([1, 3, 3, 1], channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        filtered = self.get_buffer("filter")
        doubled = nn.functional.conv_transpose2d(padded, filtered, stride=2, padding=2, groups=x.shape[1])
        return doubled[:, :, 1:-1, 1:-1]


class Residual(nn.Module):
    """A residual block: two reflection-padded convolutions, whose output is added to the input."""

    def __init__(self, channels: int, norm: str = "instance"):
        super().__init__()

        def padded() -> list[nn.Module]:
            convolution = nn.Conv2d(channels, channels, 3, bias=biased(norm))
            return [nn.ReflectionPad2d(1), convolution, norm_of(norm, channels)]

        self.branch = nn.Sequential(*padded(), nn.ReLU(), *padded())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.branch(x)


class Generator(nn.Module):
    """The ResNet generator; `upsample`: `resize` is PyTorch-GAN's, `transposed` the official, `antialiased` CUT's."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int,
        blocks: int,
        upsample: str,
        norm: str = "instance",
        antialias: bool = False,
    ):
        super().__init__()
        bias = biased(norm)

        def normed(convolution: nn.Module, channels: int) -> list[nn.Module]:
            return [convolution, norm_of(norm, channels), nn.ReLU()]

        parts = [nn.ReflectionPad2d(3), *normed(nn.Conv2d(in_channels, width, 7, bias=bias), width)]
        for channels in (width, 2 * width):
            stride = 1 if antialias else 2
            parts += normed(nn.Conv2d(channels, 2 * channels, 3, stride=stride, padding=1, bias=bias), 2 * channels)
            parts += [Blur(2 * channels)] if antialias else []
        parts += [Residual(4 * width, norm) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            half = channels // 2
            if upsample == "transposed":
                up = nn.ConvTranspose2d(channels, half, 3, stride=2, padding=1, output_padding=1, bias=bias)
                parts += normed(up, half)
            else:
                convolution = nn.Conv2d(channels, half, 3, padding=1, bias=bias)
                doubling = BlurredUpsample(channels) if upsample == "antialiased" else nn.Upsample(scale_factor=2)
                parts += [doubling, *normed(convolution, half)]
        parts += [nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7), nn.Tanh()]
        self.parts = nn.Sequential(*parts)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts(x)


class PyTorchGANDiscriminator(nn.Module):
    """PyTorch-GAN's PatchGAN, 94x94: four stride-2 blocks, a zero pad at the left and top, a head."""

    def __init__(self, channels: int, width: int, norm: str = "instance"):
        super().__init__()
        parts: list[nn.Module] = []
        for index, (before, after) in enumerate(
            ((channels, width), (width, 2 * width), (2 * width, 4 * width), (4 * width, 8 * width))
        ):
            parts.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=index == 0 or biased(norm)))
            if index > 0:
                parts.append(norm_of(norm, after))
            parts.append(nn.LeakyReLU(0.2))
        parts += [nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(8 * width, 1, 4, padding=1)]
        self.parts = nn.Sequential(*parts)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts(x)


class NLayerDiscriminator(nn.Module):
    """The official PatchGAN, 70x70 with three layers; with `antialias` CUT's."""

    def __init__(self, channels: int, width: int, n_layers: int = 3, norm: str = "instance", antialias: bool = False):
        super().__init__()
        halving = 1 if antialias else 2
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=halving, padding=1), nn.LeakyReLU(0.2)]
        parts += [Blur(width)] if antialias else []
        before = width
        for index in range(1, n_layers + 1):
            after = width * min(2**index, 8)
            stride = halving if index < n_layers else 1
            parts += [
                nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=biased(norm)),
                norm_of(norm, after),
                nn.LeakyReLU(0.2),
            ]
            parts += [Blur(after)] if antialias and index < n_layers else []
            before = after
        parts.append(nn.Conv2d(before, 1, 4, padding=1))
        self.parts = nn.Sequential(*parts)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts(x)


def pixel_discriminator(channels: int, width: int, norm: str) -> nn.Module:
    """The official discriminator of single pixels."""
    bias = biased(norm)
    network = nn.Sequential(
        nn.Conv2d(channels, width, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 1, bias=bias),
        norm_of(norm, 2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 1, bias=bias),
    )
    initialise(network)
    return network


class UNetPart(nn.Module):
    """A halving and a doubling of a U-Net with all that lies between; activations in place, as in the official code."""

    def __init__(self, outer: int, inner: int, inside: "UNetPart | None", norm: str, taken: int | None = None):
        super().__init__()
        self.is_outermost = taken is not None
        down: list[nn.Module] = [
            nn.Conv2d(taken or outer, inner, 4, stride=2, padding=1, bias=biased(norm)),
            norm_of(norm, inner),
        ]
        bias = self.is_outermost or biased(norm)
        up: list[nn.Module] = [
            nn.ReLU(True),
            nn.ConvTranspose2d(inner if inside is None else 2 * inner, outer, 4, stride=2, padding=1, bias=bias),
        ]
        if self.is_outermost or inside is None:
            down.pop()
        if not self.is_outermost:
            down.insert(0, nn.LeakyReLU(0.2, True))
            up.append(norm_of(norm, outer))
        self.parts = nn.Sequential(*down, *([] if inside is None else [inside]), *up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # The first activation changes `x` before it is concatenated.
        return torch.tanh(self.parts(x)) if self.is_outermost else torch.cat([x, self.parts(x)], 1)


def unet(in_channels: int, out_channels: int, width: int, depth: int, norm: str) -> nn.Module:
    """The U-Net with `depth` halvings."""
    widths = [width * min(2**level, 8) for level in range(depth)]
    part = None
    for level in range(depth - 1, 0, -1):
        part = UNetPart(widths[level - 1], widths[level], part, norm)
    network = UNetPart(out_channels, width, part, norm, in_channels)
    initialise(network)
    return network
