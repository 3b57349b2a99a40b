"""The PatchGAN discriminators: the official n-layer one (paper, appendix 7.2) and PyTorch-GAN's."""

import jax
import jax.numpy as jnp
from flax import nnx

from cyclegan_jax.kernels import instance_norm as norm
from cyclegan_jax.networks.layers import check_input, conv


class PatchGAN(nnx.Module):
    """A fully convolutional judge: each output value scores one patch of the image.

    Leaky ReLUs of slope 0.2; instance norm after every convolution but the first and the head.
    """

    channels: int
    dtype: jnp.dtype
    size_multiple: int
    min_size: int
    convs: nnx.List[nnx.Conv]
    head: nnx.Conv

    def __call__(self, x: jax.Array) -> jax.Array:
        """Judge images.

        Args:
            x: (N, H, W, channels) in [-1, 1]; H and W multiples of `size_multiple`, at least `min_size`.

        Returns:
            (N, h, w, 1) unbounded scores, one a patch: 1 for real and 0 for generated.

        Raises:
            UserError: the shape is not one the network can take.
        """
        check_input(x, "the discriminator", channels=self.channels, multiple=self.size_multiple, minimum=self.min_size)
        h = x.astype(self.dtype)
        for index, layer in enumerate(self.convs):
            h = layer(h) if index == 0 else norm.instance_norm(layer(h))
            h = jax.nn.leaky_relu(h, 0.2)
        return self.head(h)


class NLayerDiscriminator(PatchGAN):
    """The official PatchGAN: `n_layers` stride-2 convolutions, one of stride 1, and a one-channel head of stride 1.

    Three layers judge patches of 70x70 pixels and return (H/8 - 2) x (W/8 - 2) scores. Any size is taken: an odd row or
    column at the edge is seen by fewer patches.
    """

    def __init__(self, channels: int, width: int, n_layers: int = 3, *, dtype: jnp.dtype | None = None, rngs: nnx.Rngs):
        """Draw the weights.

        Args:
            channels: channels of the images it judges.
            width: channels after the first convolution; they double a layer, up to 8 times the width.
            n_layers: stride-2 convolutions.
            dtype: type of the arithmetic, float32 by default; parameters are float32 at least.
            rngs: source of the initial weights, N(0, 0.02).
        """
        self.dtype = jnp.dtype(dtype or jnp.float32)
        self.channels = channels
        self.size_multiple = 1
        # The last norm sees a map of H / 2^n_layers - 1 pixels a side, and a norm needs more than one value.
        self.min_size = 3 * 2**n_layers
        widths = [channels, *(width * min(2**k, 8) for k in range(n_layers + 1))]
        strides = [2] * n_layers + [1]
        self.convs = nnx.List(
            [
                conv(widths[k], widths[k + 1], 4, stride=stride, padding=1, dtype=self.dtype, rngs=rngs)
                for k, stride in enumerate(strides)
            ]
        )
        self.head = conv(widths[-1], 1, 4, padding=1, dtype=self.dtype, rngs=rngs)


class PyTorchGANDiscriminator(PatchGAN):
    """PyTorch-GAN's PatchGAN: four stride-2 convolutions, an asymmetric zero pad, and a one-channel head.

    It judges patches of 94x94 pixels and returns H/16 x W/16 scores.
    """

    def __init__(self, channels: int, width: int, *, dtype: jnp.dtype | None = None, rngs: nnx.Rngs):
        """Draw the weights; the arguments are those of `NLayerDiscriminator`."""
        self.dtype = jnp.dtype(dtype or jnp.float32)
        self.channels = channels
        # Halved four times; and the last norm, on a map of a sixteenth the size, needs more than one value.
        self.size_multiple, self.min_size = 16, 32
        widths = [channels, *(width * 2**k for k in range(4))]
        self.convs = nnx.List(
            [conv(widths[k], widths[k + 1], 4, stride=2, padding=1, dtype=self.dtype, rngs=rngs) for k in range(4)]
        )
        # One more zero at the top and left than at the bottom and right keeps H/16 x W/16 under the 4x4 kernel.
        self.head = conv(widths[-1], 1, 4, padding=((2, 1), (2, 1)), dtype=self.dtype, rngs=rngs)
