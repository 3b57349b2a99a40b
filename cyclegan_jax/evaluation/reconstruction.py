"""How near an image is to another: L1, PSNR and SSIM, per image, on the device."""

from typing import Final

import jax
import jax.numpy as jnp
import numpy as np

MEASURES: Final = ("l1", "psnr", "ssim")

_RADIUS: Final = 5
_SIGMA: Final = 1.5
_K1, _K2 = 0.01, 0.03
_LEAST_MSE: Final = 1e-10


def compare(first: jax.Array, second: jax.Array) -> dict[str, jax.Array]:
    """All three measures of pairs of images.

    Args:
        first: (N, H, W, C) floats in [0, 1].
        second: of the same shape.

    Returns:
        By the names of `MEASURES`, each (N,).
    """
    return {"l1": l1(first, second), "psnr": psnr(first, second), "ssim": ssim(first, second)}


def l1(first: jax.Array, second: jax.Array) -> jax.Array:
    """The mean absolute difference of each pair, (N,), as a part of the full range from black to white."""
    return jnp.abs(first - second).mean(axis=(1, 2, 3))


def psnr(first: jax.Array, second: jax.Array) -> jax.Array:
    """The peak signal-to-noise ratio of each pair in dB, (N,), of images in [0, 1]; at most 100 dB, for equal ones."""
    return -10 * jnp.log10(jnp.maximum(jnp.square(first - second).mean(axis=(1, 2, 3)), _LEAST_MSE))


def ssim(first: jax.Array, second: jax.Array) -> jax.Array:
    """The structural similarity of each pair, (N,), of images in [0, 1].

    The means, variances and covariance of Wang et al., *Image Quality Assessment: From Error Visibility to Structural
    Similarity* (2004), under a Gaussian window of 11 x 11 pixels with a deviation of 1.5, averaged over all places of
    the window inside the image and over channels. NaN where the image is smaller than the window.
    """
    if min(first.shape[1:3]) < 2 * _RADIUS + 1:
        return jnp.full(first.shape[0], jnp.nan, first.dtype)
    together = jnp.concatenate([first, second, first**2, second**2, first * second], axis=-1)
    mean_1, mean_2, square_1, square_2, product = jnp.split(_blur(_blur(together, 1), 2), 5, axis=-1)
    variance_1, variance_2 = square_1 - mean_1**2, square_2 - mean_2**2
    covariance = product - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _K1**2) / (mean_1**2 + mean_2**2 + _K1**2)
    contrast = (2 * covariance + _K2**2) / (variance_1 + variance_2 + _K2**2)
    return (luminance * contrast).mean(axis=(1, 2, 3))


def _blur(images: jax.Array, axis: int) -> jax.Array:
    """The means under the window at all its places inside, as a product with a banded matrix."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    size = images.shape[axis]
    band = np.zeros((size - 2 * _RADIUS, size))
    for place, row in enumerate(band):
        row[place : place + len(weights)] = weights / weights.sum()
    # Variances are small differences of the products: fewer bits would drown them.
    blurred = jnp.tensordot(images, jnp.asarray(band, images.dtype), (axis, 1), precision=jax.lax.Precision.HIGHEST)
    return jnp.moveaxis(blurred, -1, axis)
