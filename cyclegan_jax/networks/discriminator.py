"""The PatchGAN discriminators: the official ones, n-layer (paper, appendix 7.2) and pixel, and PyTorch-GAN's."""

from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.network_config import Norm
from cyclegan_jax.networks import antialias, weights
from cyclegan_jax.networks.frame import WHOLE_ARRAY, Frame
from cyclegan_jax.networks.layers import Conv, biased, check_input
from cyclegan_jax.networks.norms import normed
from cyclegan_jax.networks.weights import PAPER, Init


class PatchGAN(nnx.Module):
    """A fully convolutional judge: each output value scores one patch of the image.

    Leaky ReLUs of slope 0.2; a norm after every convolution but the first and the head.
    """

    size_multiple: ClassVar[int]
    """Height and width must be multiples of this."""
    channels: int
    dtype: jnp.dtype
    min_size: int
    blurred: int = 0
    """After this many convolutions, of stride 1 each, the map is halved with a blur."""
    convs: nnx.List[Conv]
    head: Conv
    kernels: Kernels

    def __init__(self, channels: int, min_size: int, dtype: jnp.dtype | None, kernels: Kernels | None):
        """Set what all discriminators have; the layers are the subclasses'."""
        self.channels = channels
        self.min_size = min_size
        self.dtype = jnp.dtype(dtype or jnp.float32)
        self.kernels = kernels or Kernels.for_platform()

    def __call__(self, x: Float[Array | np.ndarray, "..."], frame: Frame = WHOLE_ARRAY) -> Float[Array, "N h w 1"]:
        """Judge images.

        Args:
            x: (N, H, W, channels) in [-1, 1]; H and W multiples of `size_multiple`, at least `min_size`.
            frame: in training, where batch norm takes its statistics from.

        Returns:
            Unbounded scores, one per patch, higher for real images. The least-squares loss draws them towards 1 for
            real images and 0 for generated ones.

        Raises:
            UserError: the shape is not one the network can take.
        """
        check_input(x, "the discriminator", channels=self.channels, multiple=self.size_multiple, minimum=self.min_size)
        h = jnp.asarray(x, self.dtype)
        for index, layer in enumerate(self.convs):
            h = jax.nn.leaky_relu(normed(layer, h, frame), 0.2)
            h = antialias.halve(frame.reflect(h, 1)) if index < self.blurred else h
        return self.head(h)

    def _convolutions(self, widths: list[int], strides: list[int], norm: Norm) -> list[Conv]:
        """The 4x4 convolutions before the head, from their channels and strides."""
        conv = partial(Conv, side=4, padding=1, dtype=self.dtype, kernels=self.kernels)
        first, *others = zip(widths[:-1], widths[1:], strides, strict=True)
        return [
            conv(first[0], first[1], stride=first[2]),
            *(conv(before, after, stride=stride, norm=norm, bias=biased(norm)) for before, after, stride in others),
        ]


class NLayerDiscriminator(PatchGAN):
    """The official PatchGAN: `n_layers` stride-2 convolutions, one of stride 1, and a one-channel head of stride 1.

    Three layers judge patches of 70x70 pixels and return (H/8 - 2) x (W/8 - 2) scores. It takes any size: an odd row or
    column at the edge is seen by fewer patches.
    """

    size_multiple: ClassVar[int] = 1

    def __init__(
        self,
        channels: int,
        width: int,
        n_layers: int = 3,
        *,
        norm: Norm = "instance",
        antialiased: bool = False,
        key: Key[Array, ""],
        dtype: jnp.dtype | None = None,
        kernels: Kernels | None = None,
        init: Init = PAPER,
    ):
        """Create the network with fresh weights.

        Args:
            channels: channels of the images it judges.
            width: channels after the first convolution; they double per layer, up to 8 times the width.
            n_layers: stride-2 convolutions.
            norm: after every convolution but the first and the head.
            antialiased: halve with a blur after convolutions of stride 1, as CUT does, instead of with stride 2.
            key: random key of the weights (`weights.draw`).
            dtype: type of the arithmetic, float32 by default; parameters are float32 at least.
            kernels: chooses the form of each operation; `Kernels.for_platform()` by default.
            init: the distribution of the weights.
        """
        # The last norm sees a map of H / 2^n_layers - 1 pixels per side, and a norm needs more than one value.
        super().__init__(channels, 3 * 2**n_layers, dtype, kernels)
        widths = [channels, *(width * min(2**k, 8) for k in range(n_layers + 1))]
        self.blurred = n_layers if antialiased else 0
        strides = [1 if antialiased else 2] * n_layers + [1]
        self.convs = nnx.List(self._convolutions(widths, strides, norm))
        self.head = Conv(widths[-1], 1, 4, padding=1, dtype=self.dtype, kernels=self.kernels)
        weights.draw(self, key, init)


class PixelDiscriminator(PatchGAN):
    """The official pixel discriminator: three 1x1 convolutions, which score each pixel by its colour alone.

    Only the norm sees more than one pixel. The head has a bias by the same rule as the convolution before it.
    """

    size_multiple: ClassVar[int] = 1

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        norm: Norm = "instance",
        key: Key[Array, ""],
        dtype: jnp.dtype | None = None,
        kernels: Kernels | None = None,
        init: Init = PAPER,
    ):
        """Create the network with fresh weights; the arguments are those of `NLayerDiscriminator`."""
        # A norm needs more than one value.
        super().__init__(channels, 2, dtype, kernels)
        conv = partial(Conv, side=1, dtype=self.dtype, kernels=self.kernels)
        self.convs = nnx.List([conv(channels, width), conv(width, 2 * width, norm=norm, bias=biased(norm))])
        self.head = conv(2 * width, 1, bias=biased(norm))
        weights.draw(self, key, init)


class PyTorchGANDiscriminator(PatchGAN):
    """PyTorch-GAN's PatchGAN: four stride-2 convolutions, an asymmetric zero pad, and a one-channel head.

    It judges patches of 94x94 pixels and returns H/16 x W/16 scores.
    """

    size_multiple: ClassVar[int] = 16
    """Halved four times."""

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        norm: Norm = "instance",
        key: Key[Array, ""],
        dtype: jnp.dtype | None = None,
        kernels: Kernels | None = None,
        init: Init = PAPER,
    ):
        """Create the network with fresh weights; the arguments are those of `NLayerDiscriminator`."""
        # The last norm sees a map of a sixteenth the size, and a norm needs more than one value.
        super().__init__(channels, 32, dtype, kernels)
        widths = [channels, *(width * 2**k for k in range(4))]
        self.convs = nnx.List(self._convolutions(widths, [2] * 4, norm))
        # One more zero at the top and left than at the bottom and right keeps H/16 x W/16 under the 4x4 kernel.
        self.head = Conv(widths[-1], 1, 4, padding=((2, 1), (2, 1)), dtype=self.dtype, kernels=self.kernels)
        weights.draw(self, key, init)
