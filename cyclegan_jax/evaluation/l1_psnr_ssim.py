"""L1, PSNR and SSIM: how close two images are, per pair of images, on the device."""

from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

MEASURES: Final = ("l1", "psnr", "ssim")

_RADIUS: Final = 5
_SIGMA: Final = 1.5
_K1, _K2 = 0.01, 0.03
_LEAST_MSE: Final = 1e-10


def compare(first: Float[Array, "N H W C"], second: Float[Array, "N H W C"]) -> dict[str, Float[Array, " N"]]:
    """Compute all three measures of pairs of images in [0, 1], keyed by the names in `MEASURES`."""
    return {"l1": l1(first, second), "psnr": psnr(first, second), "ssim": ssim(first, second)}


def l1(first: Float[Array, "N H W C"], second: Float[Array, "N H W C"]) -> Float[Array, " N"]:
    """Compute the mean absolute difference of each pair of images in [0, 1]: 0 for equal images, at most 1."""
    return jnp.abs(first - second).mean(axis=(1, 2, 3))


def psnr(first: Float[Array, "N H W C"], second: Float[Array, "N H W C"]) -> Float[Array, " N"]:
    """Compute the peak signal-to-noise ratio in dB of each pair of images in [0, 1]; capped at 100 dB."""
    # The cap keeps equal images finite, so that means over images stay finite.
    return -10 * jnp.log10(jnp.maximum(jnp.square(first - second).mean(axis=(1, 2, 3)), _LEAST_MSE))


def ssim(first: Float[Array, "N H W C"], second: Float[Array, "N H W C"]) -> Float[Array, " N"]:
    """Compute the structural similarity of each pair of images in [0, 1].

    Wang et al., *Image Quality Assessment: From Error Visibility to Structural Similarity* (2004): means, variances and
    covariance under a Gaussian window of 11 x 11 pixels with a standard deviation of 1.5, averaged over channels and
    over all positions where the window lies inside the image.

    Returns:
        Values of at most 1, which equal images reach; NaN for images smaller than the window.
    """
    if min(first.shape[1:3]) < 2 * _RADIUS + 1:
        return jnp.full(first.shape[0], jnp.nan, first.dtype)
    together = jnp.concatenate([first, second, first**2, second**2, first * second], axis=-1)
    # A Gaussian window is separable: rows, then columns.
    mean_1, mean_2, square_1, square_2, product = jnp.split(_blur(_blur(together, 1), 2), 5, axis=-1)
    variance_1, variance_2 = square_1 - mean_1**2, square_2 - mean_2**2
    covariance = product - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _K1**2) / (mean_1**2 + mean_2**2 + _K1**2)
    contrast = (2 * covariance + _K2**2) / (variance_1 + variance_2 + _K2**2)
    return (luminance * contrast).mean(axis=(1, 2, 3))


def _blur(images: Float[Array, "N H W C"], axis: int) -> Float[Array, "N h w C"]:
    """Compute the means under the one-dimensional window at all its positions inside the image, along one axis."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    size = images.shape[axis]
    # A banded matrix with the window in each row, shifted by one pixel from row to row: one large matrix product
    # replaces a convolution per channel.
    band = np.zeros((size - 2 * _RADIUS, size))
    for position, row in enumerate(band):
        row[position : position + len(weights)] = weights / weights.sum()
    # The variances are small differences of these means, which bfloat16 or TF32 products (the default on TPUs and GPUs)
    # would drown in rounding.
    blurred = jnp.tensordot(images, jnp.asarray(band, images.dtype), (axis, 1), precision=jax.lax.Precision.HIGHEST)
    return jnp.moveaxis(blurred, -1, axis)
