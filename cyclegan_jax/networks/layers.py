"""The layers that both kinds of network are made of: padding, convolutions, dropout. All NHWC."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from cyclegan_jax.errors import UserError
from cyclegan_jax.kernels import convolution

# Convolution weights are drawn from N(0, 0.02), biases are 0 (paper, appendix 7.1, and the official code).
INIT_STD = 0.02

Padding = tuple[tuple[int, int], tuple[int, int]]


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | Padding = 0,
    input_dilation: int = 1,
    function: Callable[..., jax.Array] = convolution.conv_general_dilated,
    dtype: jnp.dtype,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """A square convolution with bias and zero padding, as `torch.nn.Conv2d` counts it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: side of the kernel, pixels.
        stride: step of the kernel, pixels.
        padding: zeros on every side, or ((top, bottom), (left, right)).
        input_dilation: 2 puts a zero between every two pixels of the input.
        function: what does the arithmetic.
        dtype: type of the arithmetic; the parameters are float32 at least.
        rngs: source of the initial weights.
    """
    return nnx.Conv(
        in_channels,
        out_channels,
        (kernel, kernel),
        strides=stride,
        padding=((padding, padding), (padding, padding)) if isinstance(padding, int) else padding,
        input_dilation=input_dilation,
        kernel_init=nnx.initializers.normal(INIT_STD),
        dtype=dtype,
        param_dtype=jnp.promote_types(dtype, jnp.float32),
        conv_general_dilated=function,
        rngs=rngs,
    )


def upsampling_conv_transpose(in_channels: int, out_channels: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> nnx.Conv:
    """The official upsampling: a 3x3 transposed convolution of stride 2 that doubles height and width.

    It is `torch.nn.ConvTranspose2d(kernel_size=3, stride=2, padding=1, output_padding=1)`, written as a convolution of
    the input with zeros between its pixels: 3 - 1 - 1 = 1 zero before it and 1 + 1 = 2 after. PyTorch keeps the kernel
    mirrored, and its channels as (in, out).
    """
    return conv(in_channels, out_channels, 3, padding=((1, 2), (1, 2)), input_dilation=2, dtype=dtype, rngs=rngs)


def upsampling_conv_nearest(in_channels: int, out_channels: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> nnx.Conv:
    """PyTorch-GAN's upsampling: nearest neighbour to twice the height and width, then a 3x3 convolution."""
    function = convolution.conv_of_nearest_upsampled
    return conv(in_channels, out_channels, 3, padding=1, function=function, dtype=dtype, rngs=rngs)


def reflection_pad(x: jax.Array, pad: int) -> jax.Array:
    """Pad height and width of an NHWC array by mirroring, the border pixel itself not repeated."""
    return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


def dropout(x: jax.Array, rate: float, keys: jax.Array) -> jax.Array:
    """Zero a share `rate` of the values and scale up the others.

    Args:
        x: (N, H, W, C).
        rate: probability of a zero.
        keys: (N,) one random key an image, so that the masks do not depend on how the batch is spread over devices.
    """
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, x.shape[1:]))(keys)
    return jnp.where(keep, x / (1 - rate), 0)


def check_input(x: jax.Array, name: str, *, channels: int, multiple: int, minimum: int) -> None:
    """Refuse an input that a network cannot take.

    Raises:
        UserError: `x` is not (N, H, W, channels), or H or W is below `minimum` or not a multiple of `multiple`.
    """
    if x.ndim != 4 or x.shape[-1] != channels:
        raise UserError(f"{name} takes images of shape (N, H, W, {channels}), but was given an array of {x.shape}")
    height, width = x.shape[1:3]
    if min(height, width) < minimum or height % multiple or width % multiple:
        sizes = f"multiples of {multiple} pixels and at least {minimum}" if multiple > 1 else f"at least {minimum}"
        raise UserError(
            f"{name} needs a height and width of {sizes}, but was given {height}x{width}: resize or crop the images"
        )
