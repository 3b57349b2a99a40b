"""Which network a file of PyTorch holds, from the names and shapes of its tensors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import layouts
from cyclegan_jax.exchange.layouts import Layer, Part
from cyclegan_jax.exchange.torch_tensor import FormatError, shown
from cyclegan_jax.network_config import DiscriminatorConfig, GeneratorConfig, Norm, Upsample

Tensors = Mapping[str, np.ndarray]

_BLOCK: Final = re.compile(rf"model\.([0-9]{{1,6}})\.({layouts.OFFICIAL_BLOCK}|{layouts.SHORT_BLOCK})\.")
_INDEX: Final = re.compile(r"model\.([0-9]{1,6})\.weight")
_OTHER_PROGRAMS: Final = (
    (r"(synthesis|mapping|style|g_ema|G_synthesis)\b", "a StyleGAN"),
    (r"(down_blocks|time_embed|model\.diffusion_model)\b", "a diffusion model"),
    (r"(layer\d+\.\d+|fc|classifier|features\.\d+)\.", "a classifier"),
)
"""Names of tensors by which people recognise other networks."""


@dataclass(frozen=True)
class Recognised:
    """A network of a file.

    Attributes:
        config: its architecture.
        channels: of the images it takes, and, of a generator, of those it makes.
        layout: its layers, and their names in the file.
    """

    config: GeneratorConfig | DiscriminatorConfig
    channels: tuple[int, ...]
    layout: tuple[Part, ...]

    @property
    def kind(self) -> str:
        """`generator` or `discriminator`."""
        return "generator" if isinstance(self.config, GeneratorConfig) else "discriminator"


def recognise(tensors: Tensors) -> Recognised:
    """Find the architecture of a network, without a look at the values of its tensors.

    Raises:
        FormatError: the tensors are those of no network that this package has.
    """
    try:
        if _shape(tensors, "model.1.weight")[2:] == (7, 7):
            return _resnet(tensors)
        if _shape(tensors, "model.model.0.weight")[2:] == (4, 4):
            return _unet(tensors)
        if _shape(tensors, "model.0.weight")[2:] == (4, 4):
            return _patch_gan(tensors)
        if _shape(tensors, "net.0.weight")[2:] == (1, 1):
            return _pixel(tensors)
    except UserError as error:  # of the config: a width or a number of layers that no config may have
        raise FormatError(f"holds a network that is not supported: {error}") from error
    raise FormatError(_unknown(tensors))


def _unknown(tensors: Tensors) -> str:
    names = list(tensors)
    for pattern, program in _OTHER_PROGRAMS:
        if any(re.match(pattern, name) for name in names):
            return f"seems to be {program}, from the tensor {shown(names[0])}: give the networks of a CycleGAN"
    some = ", ".join(shown(name) for name in names[:3])
    return (
        f"holds no network of a CycleGAN that is known: its {len(names)} tensors begin with {some}; give the "
        "generators and discriminators of pytorch-CycleGAN-and-pix2pix, CUT or PyTorch-GAN"
    )


def _resnet(tensors: Tensors) -> Recognised:
    blocks = sorted({int(found[1]) for name in tensors if (found := _BLOCK.match(name))})
    block = next((found[2] for name in tensors if (found := _BLOCK.match(name))), layouts.OFFICIAL_BLOCK)
    indices = _indices(tensors)
    # After the first halving comes a blur, or the next convolution.
    antialias = "model.7.filt" in tensors
    after = blocks[-1] + 1 if blocks else 10 + 2 * antialias
    upsample: Upsample = "transposed" if after in indices else "resize"
    if f"model.{after}.filt" in tensors:
        upsample = "antialiased"
    width, channels = _shape(tensors, "model.1.weight")[:2]
    config = GeneratorConfig(
        blocks=len(blocks),
        width=width,
        upsample=upsample,
        antialias=antialias,
        # A dropout has no tensor either: with one, the second convolution comes later. At 6 is a norm without one.
        dropout=0.5 if blocks and any(_shape(tensors, f"model.{blocks[0]}.{block}.6.weight")) else 0.0,
        norm=_norm(tensors, "model.1", "model.2"),
    )
    if config.upsample == "resize" and block == layouts.SHORT_BLOCK and channels != 3:
        raise FormatError(
            f"holds a generator of PyTorch-GAN for images of {channels} channels, which pads its ends by as many "
            "pixels; here the ends are padded by 3: retrain it"
        )
    layout = layouts.generator(config, block)
    return Recognised(config, (channels, _shape_of_head(tensors, layout)[0]), layout)


def _unet(tensors: Tensors) -> Recognised:
    width, channels = _shape(tensors, "model.model.0.weight")[:2]
    second = "model.model.1.model"
    depth = 1
    while f"{second}{'.3.model' * (depth - 1)}.1.weight" in tensors:
        depth += 1
    # Its dropout follows a norm, where it moves no index: it cannot be told. The norm is that of the second doubling.
    index = 5 if depth > 2 else 3
    norm = _norm(tensors, f"{second}.{index}", f"{second}.{index + 1}")
    config = GeneratorConfig(kind="unet", width=width, depth=depth, norm=norm)
    layout = layouts.generator(config)
    return Recognised(config, (channels, _shape_of_head(tensors, layout)[1]), layout)


def _patch_gan(tensors: Tensors) -> Recognised:
    width, channels = _shape(tensors, "model.0.weight")[:2]
    antialias = "model.2.filt" in tensors
    norm = _norm(tensors, f"model.{2 + antialias}", f"model.{3 + antialias}")
    options: dict[str, Any] = {"width": width, "norm": norm}
    head = max(_indices(tensors))
    if antialias and (head - 2) % 4 == 0:
        config = DiscriminatorConfig(kind="n_layers", n_layers=(head - 2) // 4, antialias=True, **options)
    # PyTorch-GAN has a padding before its head, the official code has none.
    elif (head - 2) % 3 == 0:
        config = DiscriminatorConfig(kind="n_layers", n_layers=(head - 2) // 3, **options)
    elif head == 12:
        config = DiscriminatorConfig(kind="pytorch_gan", **options)
    else:
        raise FormatError(f"holds a discriminator whose last layer is model.{head}, which no known one has")
    return Recognised(config, (channels,), layouts.discriminator(config))


def _pixel(tensors: Tensors) -> Recognised:
    width, channels = _shape(tensors, "net.0.weight")[:2]
    config = DiscriminatorConfig(kind="pixel", width=width, norm=_norm(tensors, "net.2", "net.3"))
    return Recognised(config, (channels,), layouts.discriminator(config))


def _norm(tensors: Tensors, convolution: str, norm: str) -> Norm:
    """The norm of a network, from its first. Of the official code's, only instance norms follow a bias."""
    biased, affine = f"{convolution}.bias" in tensors, f"{norm}.weight" in tensors
    averaged = f"{norm}.running_mean" in tensors
    if biased and affine and averaged:
        raise FormatError(
            f"has a convolution with bias before the norm {norm} with running statistics: batch norm and instance norm "
            "look the same there, so it cannot be told how to read it"
        )
    if biased:
        # Instance norms of old PyTorch stored running statistics, which they did not use.
        return "instance_affine" if affine else "instance"
    return "batch" if affine else "none"


def _indices(tensors: Tensors) -> set[int]:
    """The indices of the layers of the sequence `model` that have a kernel of their own, not a norm's scale."""
    found = {int(match[1]): tensors[name].ndim for name in tensors if (match := _INDEX.fullmatch(name))}
    return {index for index, axes in found.items() if axes == 4}


def _shape_of_head(tensors: Tensors, layout: tuple[Part, ...]) -> tuple[int, ...]:
    head = layout[-1]
    name = head.tensor("kernel") if isinstance(head, Layer) else ""
    if not any(_shape(tensors, name)):
        raise FormatError(f"does not match the architecture inferred from its tensors: {shown(name)} missing")
    return _shape(tensors, name)


def _shape(tensors: Tensors, name: str) -> tuple[int, ...]:
    return tensors[name].shape if name in tensors and tensors[name].ndim == 4 else (0, 0, 0, 0)
