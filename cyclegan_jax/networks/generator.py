"""The ResNet generator (paper, appendix 7.2; PyTorch-GAN's `GeneratorResNet`)."""

import jax
import jax.numpy as jnp
from flax import nnx

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.networks.frame import Extent, Whole
from cyclegan_jax.networks.layers import (
    check_input,
    conv,
    dropout,
    upsampling_conv_nearest,
    upsampling_conv_transpose,
)

_WHOLE = Whole()


class ResidualBlock(nnx.Module):
    """Two reflection-padded 3x3 convolutions with instance norm, added to their input."""

    def __init__(self, channels: int, dropout_rate: float, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        """Draw the weights of a block that keeps `channels` channels."""
        self.conv1 = conv(channels, channels, 3, dtype=dtype, rngs=rngs)
        self.conv2 = conv(channels, channels, 3, dtype=dtype, rngs=rngs)
        self.dropout_rate = dropout_rate

    def __call__(self, x: jax.Array, dropout_keys: jax.Array | None = None, extent: Extent = _WHOLE) -> jax.Array:
        """Map (N, H, W, channels) to the same shape; dropout is off without keys, of shape (N,)."""
        h = jax.nn.relu(extent.instance_norm(self.conv1(extent.reflect(x, 1))))
        if dropout_keys is not None and self.dropout_rate > 0:
            h = dropout(h, self.dropout_rate, dropout_keys)
        return x + extent.instance_norm(self.conv2(extent.reflect(h, 1)))


class ResNetGenerator(nnx.Module):
    """Image to image: 7x7 stem, two stride-2 convolutions, residual blocks, two upsamplings, 7x7 head with tanh.

    Every convolution has a bias, also where an instance norm follows and cancels it, as in the official code.
    """

    size_multiple = 4
    """Height and width are halved twice and doubled twice, so other sizes would not come back whole."""
    min_size = 8
    """The residual blocks mirror a pixel of an image of a quarter the size, which needs two of them."""

    def __init__(
        self,
        config: GeneratorConfig,
        in_channels: int,
        out_channels: int,
        *,
        dtype: jnp.dtype | None = None,
        rngs: nnx.Rngs,
    ):
        """Draw the weights.

        Args:
            config: width, blocks, kind of upsampling, dropout.
            in_channels: channels of the images it takes.
            out_channels: channels of the images it makes.
            dtype: type of the arithmetic, float32 by default; parameters are float32 at least.
            rngs: source of the initial weights, N(0, 0.02).
        """
        dtype = jnp.dtype(dtype or jnp.float32)
        width = config.width
        self.in_channels = in_channels
        self.dtype = dtype
        self.stem = conv(in_channels, width, 7, dtype=dtype, rngs=rngs)
        self.down = nnx.List(
            [conv(width * k, width * 2 * k, 3, stride=2, padding=1, dtype=dtype, rngs=rngs) for k in (1, 2)]
        )
        self.blocks = nnx.List(
            [ResidualBlock(4 * width, config.dropout, dtype=dtype, rngs=rngs) for _ in range(config.blocks)]
        )
        upsampling = upsampling_conv_transpose if config.upsample == "transposed" else upsampling_conv_nearest
        self.up = nnx.List([upsampling(width * 2 * k, width * k, dtype=dtype, rngs=rngs) for k in (2, 1)])
        self.head = conv(width, out_channels, 7, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, dropout_keys: jax.Array | None = None, extent: Extent = _WHOLE) -> jax.Array:
        """Translate images.

        Args:
            x: (N, H, W, in_channels) in [-1, 1]; H and W multiples of 4, at least 8.
            dropout_keys: (N,) random keys, one an image; None turns dropout off, as at test time.
            extent: how much of each array is image.

        Returns:
            (N, H, W, out_channels) in [-1, 1], of the arithmetic's type.

        Raises:
            UserError: the shape is not one the network can take.
        """
        check_input(x, "the generator", channels=self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        # Padding by 3 keeps the size under a 7x7 kernel. PyTorch-GAN pads by `channels`, which is 3 only for RGB.
        h = jax.nn.relu(extent.instance_norm(self.stem(extent.reflect(x.astype(self.dtype), 3))))
        for down in self.down:
            h = jax.nn.relu(extent.instance_norm(down(extent.clear(h))))
        for index, block in enumerate(self.blocks):
            keys = None if dropout_keys is None else jax.vmap(jax.random.fold_in, (0, None))(dropout_keys, index)
            h = block(h, keys, extent)
        for up in self.up:
            h = jax.nn.relu(extent.instance_norm(up(extent.clear(h))))
        return jnp.tanh(self.head(extent.reflect(h, 3)))
