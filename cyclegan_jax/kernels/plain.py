"""Operations as XLA compiles them by itself, without a form of ours. Arrays are NHWC, kernels HWIO."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cyclegan_jax.kernels.choice import Padding


def convolve(
    x: Float[Array, "N H W I"], kernel: Float[Array, "k k I O"], stride: int, padding: Padding, dilation: int = 1
) -> Float[Array, "N h w O"]:
    """Convolve.

    Args:
        x: the images.
        kernel: the weights.
        stride: step of the kernel, pixels.
        padding: zeros around the (dilated) images.
        dilation: 2 puts a zero between every two pixels of the images first.
    """
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        lhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def upsample_nearest(x: Float[Array, "N H W C"]) -> Float[Array, "N 2*H 2*W C"]:
    """Double height and width by repeating pixels."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
