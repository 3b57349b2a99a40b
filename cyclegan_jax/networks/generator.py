"""The generators: what all have in common, and the ResNet (paper, appendix 7.2; PyTorch-GAN's `GeneratorResNet`)."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.network_config import GeneratorConfig, Norm
from cyclegan_jax.networks import antialias, weights
from cyclegan_jax.networks.frame import WHOLE_ARRAY, Frame
from cyclegan_jax.networks.layers import UPSAMPLING, Conv, biased, check_input, dropout, layer_keys
from cyclegan_jax.networks.norms import normed
from cyclegan_jax.networks.weights import PAPER, Init

Images = Float[Array, "N H W C"]
Outputs = Float[Array, "N H W D"]


class GeneratorNetwork(nnx.Module):
    """A network from images to images."""

    in_channels: int
    """Channels of the images it takes."""
    size_multiple: int
    """Height and width must be multiples of this."""
    min_size: int
    """And at least this."""
    dtype: jnp.dtype
    """Type of the arithmetic."""
    kernels: Kernels

    def __init__(
        self,
        config: GeneratorConfig,
        in_channels: int,
        min_size: int,
        dtype: jnp.dtype | None,
        kernels: Kernels | None,
    ):
        """Set what all generators have; the layers are the subclasses'."""
        self.in_channels = in_channels
        self.size_multiple = config.size_multiple
        self.min_size = min_size
        self.dtype = jnp.dtype(dtype or jnp.float32)
        self.kernels = kernels or Kernels.for_platform()

    def __call__(
        self,
        x: Float[Array | np.ndarray, "..."],
        dropout_keys: Key[Array, " N"] | None = None,
        frame: Frame = WHOLE_ARRAY,
    ) -> Outputs:
        """Translate images.

        Args:
            x: (N, H, W, in_channels) in [-1, 1]; H and W multiples of `size_multiple`, at least `min_size`.
            dropout_keys: one random key per image; None turns dropout off, as at test time.
            frame: how much of each array is image.

        Returns:
            (N, H, W, out_channels) in [-1, 1], of type `dtype`.

        Raises:
            UserError: the shape is not one the network can take.
        """
        check_input(x, "the generator", channels=self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        return jnp.tanh(self.forward(jnp.asarray(x, self.dtype), dropout_keys, frame))

    def forward(self, x: Images, dropout_keys: Key[Array, " N"] | None, frame: Frame) -> Outputs:
        """The output before the tanh; the arguments are those of the call."""
        raise NotImplementedError


class ResidualBlock(nnx.Module):
    """Two reflection-padded 3x3 convolutions with norms, added to their input."""

    def __init__(self, channels: int, dropout_rate: float, norm: Norm, *, dtype: jnp.dtype, kernels: Kernels):
        """Create a block that keeps `channels` channels; the other arguments are those of `ResNetGenerator`."""
        conv = partial(Conv, channels, channels, 3, norm=norm, bias=biased(norm), dtype=dtype, kernels=kernels)
        self.conv1 = conv()
        self.conv2 = conv()
        self.dropout_rate = dropout_rate

    def __call__(self, x: Images, dropout_keys: Key[Array, " N"] | None = None, frame: Frame = WHOLE_ARRAY) -> Images:
        """Map activations to ones of the same shape; without keys, dropout is off."""
        h = jax.nn.relu(normed(self.conv1, frame.reflect(x, 1), frame))
        if dropout_keys is not None and self.dropout_rate > 0:
            h = dropout(h, self.dropout_rate, dropout_keys)
        return x + normed(self.conv2, frame.reflect(h, 1), frame)


class ResNetGenerator(GeneratorNetwork):
    """Image to image: 7x7 stem, two halvings, residual blocks, two doublings, 7x7 head with tanh.

    With an instance norm every convolution has a bias, although the norm cancels it, as in the official code. With
    other norms, and without any, only the head has one.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        in_channels: int,
        out_channels: int,
        *,
        key: Key[Array, ""],
        dtype: jnp.dtype | None = None,
        kernels: Kernels | None = None,
        init: Init = PAPER,
    ):
        """Create the network with fresh weights.

        Args:
            config: width, blocks, norm, kinds of downsampling and upsampling, dropout.
            in_channels: channels of the images it takes.
            out_channels: channels of the images it makes.
            key: random key of the weights (`weights.draw`).
            dtype: type of the arithmetic, float32 by default; parameters are float32 at least.
            kernels: chooses the form of each operation; `Kernels.for_platform()` by default.
            init: the distribution of the weights.
        """
        # The residual blocks mirror a pixel of an image of a quarter the size, which needs two of them.
        super().__init__(config, in_channels, 8, dtype, kernels)
        width = config.width
        options: dict[str, Any] = {"dtype": self.dtype, "kernels": self.kernels}
        hidden = options | {"norm": config.norm, "bias": biased(config.norm)}
        self.stem = Conv(in_channels, width, 7, **hidden)
        self.antialias, self.upsample = config.antialias, config.upsample
        stride = 1 if config.antialias else 2
        self.down = nnx.List([Conv(width * k, width * 2 * k, 3, stride=stride, padding=1, **hidden) for k in (1, 2)])
        self.blocks = nnx.List(
            [ResidualBlock(4 * width, config.dropout, config.norm, **options) for _ in range(config.blocks)]
        )
        upsampling = UPSAMPLING[config.upsample]
        self.up = nnx.List([upsampling(width * 2 * k, width * k, **hidden) for k in (2, 1)])
        self.head = Conv(width, out_channels, 7, **options)
        weights.draw(self, key, init)

    def forward(self, x: Images, dropout_keys: Key[Array, " N"] | None, frame: Frame) -> Outputs:
        """The output before the tanh."""
        # Padding by 3 keeps the size under a 7x7 kernel. PyTorch-GAN pads by `channels`, which is 3 only for RGB.
        h = jax.nn.relu(normed(self.stem, frame.reflect(x, 3), frame))
        for down in self.down:
            h = jax.nn.relu(normed(down, frame.clear(h), frame))
            h = antialias.halve(frame.reflect(h, 1)) if self.antialias else h
        for index, block in enumerate(self.blocks):
            h = block(h, None if dropout_keys is None else layer_keys(dropout_keys, index), frame)
        for up in self.up:
            h = antialias.double(frame.replicate(h)) if self.upsample == "antialiased" else h
            h = jax.nn.relu(normed(up, frame.clear(h), frame))
        return self.head(frame.reflect(h, 3))
