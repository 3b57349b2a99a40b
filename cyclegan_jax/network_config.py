"""The networks' part of a config: the generators and the discriminators."""

import typing
from dataclasses import dataclass
from typing import Literal

from cyclegan_jax.config_checks import check_limits, check_types, require
from cyclegan_jax.config_limits import LIMITS

Upsample = Literal["resize", "transposed", "antialiased"]
Augmentation = Literal["color", "translation", "cutout"]
Norm = Literal["instance", "instance_affine", "batch", "none"]


@dataclass(frozen=True)
class GeneratorConfig:
    """The generators: ResNets (paper, appendix 7.2) or U-Nets."""

    blocks: int = 9
    """Residual blocks; the paper has 6 at 128 pixels, and 9 at 256 pixels and more."""
    width: int = 64
    """Channels after the first convolution; the two downsampling layers double them."""
    upsample: Upsample = "transposed"
    """`transposed`: stride-2 transposed convolutions, as in the official code; `resize`: nearest upsampling, then a
    convolution, as in PyTorch-GAN; `antialiased`: bilinear upsampling, then a convolution, as in CUT."""
    dropout: float = 0.0
    """Dropout rate in the residual blocks during training (0.5 in the official code's option); 0 is off."""
    norm: Norm = "instance"
    """The norm after the convolutions. `instance`: without parameters; `instance_affine`: with a learned scale and
    shift of each channel; `batch`: over the batch in training, by running statistics at test time; `none`. With `batch`
    and `none` those convolutions have no bias, as in the official code."""
    kind: Literal["resnet", "unet"] = "resnet"
    """`resnet`: the paper's; `unet`: the U-Net of pix2pix and of the official code, which takes `width`, `depth`,
    `dropout` (in its middle) and `norm`."""
    depth: int = 8
    """How often the `unet` kind halves height and width, which must be multiples of 2^depth: 8 is the official
    `unet_256`, 7 is `unet_128`."""
    antialias: bool = False
    """Downsampling of the `resnet` kind by convolutions of stride 1 and a blur with the filter [1 2 1], as in CUT,
    instead of stride-2 convolutions."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "generator")
        check_limits(self, "generator", LIMITS)

    @property
    def size_multiple(self) -> int:
        """The number that image height and width must be divisible by: halved and doubled, others come back changed."""
        return 2**self.depth if self.kind == "unet" else 4


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The PatchGAN discriminators (paper, section 4 and appendix 7.2)."""

    kind: Literal["n_layers", "pytorch_gan", "pixel"] = "n_layers"
    """`n_layers`: the official PatchGAN, 70x70 with 3 layers; `pytorch_gan`: PyTorch-GAN's, four stride-2 blocks and an
    asymmetric zero pad, which scores H/16 x W/16 patches of 94x94; `pixel`: the official one that scores each pixel by
    itself."""
    n_layers: int = 3
    """Stride-2 convolutions of the `n_layers` kind; 3 gives patches of 70x70 pixels."""
    width: int = 64
    """Channels after the first convolution."""
    norm: Norm = "instance"
    """The norm after all convolutions but the first and the last; the choices are those of `generator.norm`."""
    antialias: bool = False
    """Downsampling of the `n_layers` kind as with `generator.antialias`."""
    every: int = 1
    """Update the discriminators in every so many-th step only; the generators are updated and the pools filled in all
    steps. The logged discriminator losses are those of the last such step."""
    augment: str | None = None
    """Change what the discriminators see at random, real and generated images alike, which helps with few images: some
    of `color`, `translation` and `cutout`, such as color,translation,cutout, applied in this order."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "discriminator")
        check_limits(self, "discriminator", LIMITS)
        known, names = typing.get_args(Augmentation), self.augmentations
        need = f"some of {', '.join(known)}, each once and with commas between them, or None"
        require(set(names) <= set(known) and len(set(names)) == len(names), "discriminator.augment", self.augment, need)

    @property
    def augmentations(self) -> tuple[Augmentation, ...]:
        """The names in `augment`."""
        return () if self.augment is None else typing.cast(tuple[Augmentation, ...], tuple(self.augment.split(",")))
