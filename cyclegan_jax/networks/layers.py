"""The layers that both kinds of network are made of: padding, convolutions, dropout. All arrays are NHWC."""

import math
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from cyclegan_jax.errors import UserError
from cyclegan_jax.kernels import convolution
from cyclegan_jax.kernels.choice import Kernels, Padding

Images = Float[Array, "N H W I"]
Weights = Float[Array, "k k I O"]
Outputs = Float[Array, "N h w O"]


class Conv(nnx.Module):
    """A square convolution with bias and zero padding, as `torch.nn.Conv2d` counts it.

    Kernel and bias are 0 at first: `weights.draw` sets those of a whole network.

    Attributes:
        kernel: (k, k, in, out) weights, float32 at least.
        bias: (out,) float32 at least.
        stride: step of the kernel, pixels.
        padding: zeros around the input.
        dtype: type of the arithmetic.
        kernels: chooses the form of the arithmetic.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        side: int,
        *,
        stride: int = 1,
        padding: int | Padding = 0,
        dtype: jnp.dtype,
        kernels: Kernels,
    ):
        """Create the layer.

        Args:
            in_channels: channels of the input.
            out_channels: channels of the output.
            side: height and width of the kernel, pixels.
            stride: step of the kernel, pixels.
            padding: zeros on every side, or ((top, bottom), (left, right)).
            dtype: type of the arithmetic; the parameters are float32 at least.
            kernels: chooses the form of the arithmetic.
        """
        # float64 without 64-bit types enabled means float32, as everywhere in JAX.
        param_dtype = jax.dtypes.canonicalize_dtype(jnp.promote_types(dtype, jnp.float32))
        self.kernel = nnx.Param(jnp.zeros((side, side, in_channels, out_channels), param_dtype))
        self.bias = nnx.Param(jnp.zeros((out_channels,), param_dtype))
        self.stride = stride
        self.padding: Padding = ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
        self.dtype = jax.dtypes.canonicalize_dtype(dtype)
        self.kernels = kernels

    def __call__(self, x: Images) -> Outputs:
        """Convolve images and add the bias; the result has the type `dtype`."""
        # Parameters that were loaded or converted may still be NumPy arrays.
        kernel, bias = (jnp.asarray(param[...], self.dtype) for param in (self.kernel, self.bias))
        # Reshaped explicitly, the gradient of the bias is one reduction; implicit broadcasting makes it two.
        return self.convolve(x.astype(self.dtype), kernel) + bias.reshape(1, 1, 1, -1)

    def convolve(self, x: Images, kernel: Weights) -> Outputs:
        """Convolve images without the bias."""
        return convolution.convolve(x, kernel, self.kernels, stride=self.stride, padding=self.padding)


class TransposedConv(Conv):
    """The official upsampling: a 3x3 transposed convolution of stride 2 that doubles height and width.

    `torch.nn.ConvTranspose2d(kernel_size=3, stride=2, padding=1, output_padding=1)`, written as a convolution of the
    input with zeros between its pixels: 3 - 1 - 1 = 1 zero before it, and 1 more after it for the output padding.
    PyTorch keeps the kernel mirrored, and its channels as (in, out).
    """

    def __init__(self, in_channels: int, out_channels: int, *, dtype: jnp.dtype, kernels: Kernels):
        """Create the layer; the arguments are those of `Conv`."""
        super().__init__(in_channels, out_channels, 3, dtype=dtype, kernels=kernels)

    def convolve(self, x: Images, kernel: Weights) -> Outputs:
        """Upsample images without the bias."""
        return convolution.convolve_doubling(x, kernel, self.kernels, before=1)


class ResizeConv(Conv):
    """PyTorch-GAN's upsampling: nearest neighbour to twice the height and width, then a 3x3 convolution."""

    def __init__(self, in_channels: int, out_channels: int, *, dtype: jnp.dtype, kernels: Kernels):
        """Create the layer; the arguments are those of `Conv`."""
        super().__init__(in_channels, out_channels, 3, padding=1, dtype=dtype, kernels=kernels)

    def convolve(self, x: Images, kernel: Weights) -> Outputs:
        """Upsample images and convolve them, without the bias."""
        return convolution.convolve_upsampled(x, kernel, self.kernels)


UPSAMPLING: Final = {"transposed": TransposedConv, "resize": ResizeConv}
"""The layers that `GeneratorConfig.upsample` selects."""


def reflection_pad(x: Float[Array, "N H W C"], pad: int) -> Float[Array, "N H+2*{pad} W+2*{pad} C"]:
    """Pad height and width by mirroring, the border pixel itself not repeated."""
    return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


def dropout(x: Float[Array, "N H W C"], rate: float, keys: Key[Array, " N"]) -> Float[Array, "N H W C"]:
    """Set values to 0 with probability `rate` and scale the others up, so that the mean stays.

    Args:
        x: the activations.
        rate: probability of a zero.
        keys: one random key per image, so that the masks do not depend on how a batch is spread over devices.
    """
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, x.shape[1:]))(keys)
    return jnp.where(keep, x / (1 - rate), 0)


def accepted_side(side: int, *, multiple: int, minimum: int) -> int:
    """Return the smallest height or width from `side` on that `check_input` accepts."""
    return max(minimum, math.ceil(side / multiple) * multiple)


def check_input(x: Array | np.ndarray, name: str, *, channels: int, multiple: int, minimum: int) -> None:
    """Check that a network can take an input.

    Raises:
        UserError: `x` is not (N, H, W, channels), or H or W is below `minimum` or not a multiple of `multiple`.
    """
    if x.ndim != 4 or x.shape[-1] != channels:
        raise UserError(f"{name} takes images of shape (N, H, W, {channels}), but got an array of shape {x.shape}")
    height, width = x.shape[1:3]
    if min(height, width) < minimum or height % multiple or width % multiple:
        sizes = f"multiples of {multiple} pixels and at least {minimum}" if multiple > 1 else f"at least {minimum}"
        raise UserError(
            f"{name} needs a height and width of {sizes}, but got {height}x{width}: resize or crop the images"
        )
