"""CUT's halving and doubling of images without aliasing: small filters, for each channel and axis by itself."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

Padded = Float[Array, "N P Q C"]
Images = Float[Array, "N H W C"]


def halve(padded: Padded) -> Images:
    """Halve height and width with the filter [1 2 1] / 4.

    Args:
        padded: images with a pixel more on each side, in the official code mirrored; P is H + 2.

    Returns:
        Images of half the height and width before the padding, rounded up.
    """
    for axis in (1, 2):
        last = padded.shape[axis] - 1
        before, middle, after = (_every_second(padded, axis, first, last) for first in range(3))
        padded = (before + 2 * middle + after) / 4
    return padded


def double(padded: Padded) -> Images:
    """Double height and width with the filter [1 3 3 1] / 4, as bilinear interpolation does.

    A transposed convolution of stride 2 with that filter, cut to twice the size, does the same.

    Args:
        padded: images with a pixel more on each side, in the official code a copy of the border; P is H + 2.

    Returns:
        Images of twice the height and width before the padding.
    """
    for axis in (1, 2):
        side = padded.shape[axis] - 2
        before, middle, after = (padded[(slice(None),) * axis + (slice(first, first + side),)] for first in range(3))
        pairs = jnp.stack([(before + 3 * middle) / 4, (3 * middle + after) / 4], axis + 1)
        padded = pairs.reshape(*padded.shape[:axis], 2 * side, *padded.shape[axis + 1 :])
    return padded


def _every_second(x: Padded, axis: int, first: int, last: Any) -> Float[Array, "N p q C"]:
    """Pixels `first`, `first` + 2, ... along an axis, as many for each `first` below 3.

    `last` is a number, or a symbol where `jax.export` traces for any size.
    """
    number = (last - 2) // 2 + 1
    return x[(slice(None),) * axis + (slice(first, first + 2 * number - 1, 2),)]
