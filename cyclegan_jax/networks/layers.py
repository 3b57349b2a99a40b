"""The layers that both kinds of network are made of: padding, convolutions, dropout. All arrays are NHWC."""

import math
from collections.abc import Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key

from cyclegan_jax.errors import UserError
from cyclegan_jax.kernels import convolution
from cyclegan_jax.kernels.choice import Kernels, Padding
from cyclegan_jax.network_config import Norm

NORM_PARAMS: Final[Mapping[Norm, tuple[str, ...]]] = {
    "instance": (),
    "instance_affine": ("scale", "shift"),
    "batch": ("scale", "shift", "mean", "var"),
    "none": (),
}
"""The parameters that a convolution holds for the norm after it."""

Images = Float[Array, "N H W I"]
Weights = Float[Array, "k k I O"]
Outputs = Float[Array, "N h w O"]


class Conv(nnx.Module):
    """A square convolution with zero padding, as `torch.nn.Conv2d` counts it, and the parameters of the norm after it.

    All parameters are 0 at first: `weights.draw` sets those of a whole network. Calling the layer only convolves;
    `norms.normed` applies the norm too.

    Attributes:
        kernel: (k, k, in, out) weights, float32 at least.
        bias: (out,) float32 at least, or None.
        norm: the norm after it, or None; `instance_affine` and `batch` have (out,) parameters, see `NORM_PARAMS`.
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
        norm: Norm | None = None,
        bias: bool = True,
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
            norm: the norm after it; None for none.
            bias: whether it has a bias.
            dtype: type of the arithmetic; the parameters are float32 at least.
            kernels: chooses the form of the arithmetic.
        """
        # float64 without 64-bit types enabled means float32, as everywhere in JAX.
        param_dtype = jax.dtypes.canonicalize_dtype(jnp.promote_types(dtype, jnp.float32))
        self.kernel = nnx.Param(jnp.zeros((side, side, in_channels, out_channels), param_dtype))
        self.bias = nnx.Param(jnp.zeros((out_channels,), param_dtype)) if bias else None
        for name in NORM_PARAMS[norm or "none"]:
            setattr(self, name, nnx.Param(jnp.zeros((out_channels,), param_dtype)))
        self.norm = norm
        self.stride = stride
        self.padding: Padding = ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
        self.dtype = jax.dtypes.canonicalize_dtype(dtype)
        self.kernels = kernels

    def __call__(self, x: Images) -> Outputs:
        """Convolve images and add the bias, if there is one; the result has the type `dtype`."""
        # Parameters that were loaded or converted may still be NumPy arrays.
        kernel = jnp.asarray(self.kernel[...], self.dtype)
        if self.bias is None:
            return self.convolve(x.astype(self.dtype), kernel)
        bias = jnp.asarray(self.bias[...], self.dtype)
        # Reshaped explicitly, the gradient of the bias is one reduction; implicit broadcasting makes it two.
        return self.convolve(x.astype(self.dtype), kernel) + bias.reshape(1, 1, 1, -1)

    def convolve(self, x: Images, kernel: Weights) -> Outputs:
        """Convolve images without the bias."""
        return convolution.convolve(x, kernel, self.kernels, stride=self.stride, padding=self.padding)


class TransposedConv(Conv):
    """The official upsampling: a transposed convolution of stride 2 that doubles height and width.

    In ResNets `torch.nn.ConvTranspose2d(kernel_size=3, stride=2, padding=1, output_padding=1)`, written as a
    convolution of the input with zeros between its pixels: 3 - 1 - 1 = 1 zero before it, and 1 more after it for the
    output padding. In U-Nets the kernel is 4x4 and there is no output padding: 4 - 1 - 1 = 2 zeros before and after it.
    PyTorch keeps the kernel mirrored, and its channels as (in, out).
    """

    def __init__(self, in_channels: int, out_channels: int, side: int = 3, **options: Any):
        """Create the layer; the options are those of `Conv`."""
        super().__init__(in_channels, out_channels, side, **options)

    def convolve(self, x: Images, kernel: Weights) -> Outputs:
        """Upsample images without the bias."""
        return convolution.convolve_doubling(x, kernel, self.kernels, before=kernel.shape[0] - 2)


class ResizeConv(Conv):
    """PyTorch-GAN's upsampling: nearest neighbour to twice the height and width, then a 3x3 convolution."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any):
        """Create the layer; the options are those of `Conv`."""
        super().__init__(in_channels, out_channels, 3, padding=1, **options)

    def convolve(self, x: Images, kernel: Weights) -> Outputs:
        """Upsample images and convolve them, without the bias."""
        return convolution.convolve_upsampled(x, kernel, self.kernels)


class PaddedConv(Conv):
    """A 3x3 convolution that keeps height and width, after an upsampling that is not its own."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any):
        """Create the layer; the options are those of `Conv`."""
        super().__init__(in_channels, out_channels, 3, padding=1, **options)


UPSAMPLING: Final = {"transposed": TransposedConv, "resize": ResizeConv, "antialiased": PaddedConv}
"""The layers that `GeneratorConfig.upsample` selects; before `antialiased` the generator doubles the image itself."""


def biased(norm: Norm) -> bool:
    """Whether convolutions have a bias where a norm of this kind may follow: only with instance norms.

    The official code's rule, which some of its convolutions follow that no norm follows.
    """
    return norm in ("instance", "instance_affine")


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


def layer_keys(keys: Key[Array, " N"], index: int) -> Key[Array, " N"]:
    """The dropout keys of one layer from those of the images."""
    return jax.vmap(jax.random.fold_in, (0, None))(keys, index)


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
    # Side by side: exported for any size, they are symbols, whose smaller one is not known.
    if any(side < minimum or side % multiple for side in (height, width)):
        sizes = f"multiples of {multiple} pixels and at least {minimum}" if multiple > 1 else f"at least {minimum}"
        raise UserError(
            f"{name} needs a height and width of {sizes}, but got {height}x{width}: resize or crop the images"
        )
