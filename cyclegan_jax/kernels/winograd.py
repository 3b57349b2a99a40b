"""3x3 convolutions of stride 1 with 4 multiplications an output in place of 9: Winograd's F(2x2, 3x3), for CPU.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.1. The image is cut into
overlapping tiles of 4x4 pixels, each of which gives 2x2 pixels of the output. Tiles and kernel are transformed by sums
and differences; then each of the 16 places of a tile is one matrix product over all tiles and channels. The numbers are
those of the convolution up to rounding, which in float32 is of the size of the convolution's own.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp

Places = list[jax.Array]
"""One array for each of the 16 places of a tile, row by row."""

_MIRRORED: Final = (3, 1, 2, 0)
"""Where a transformed kernel has along an axis what the mirrored kernel's transform has in each place."""


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv3x3(x: jax.Array, kernel: jax.Array, precision: Any = None) -> jax.Array:
    """Convolve without padding.

    Args:
        x: (N, H + 2, W + 2, I); H and W even.
        kernel: (3, 3, I, O).
        precision: of the matrix products.

    Returns:
        (N, H, W, O).
    """
    products = [product(tile, weight, 0, precision) for tile, weight in zip(_tiles(x), _weights(kernel), strict=True)]
    return _outputs(products)


def _forward(x: jax.Array, kernel: jax.Array, precision: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return conv3x3(x, kernel, precision), (x, kernel)


def _backward(precision: Any, saved: tuple[jax.Array, jax.Array], grad: jax.Array) -> tuple[jax.Array, jax.Array]:
    # Tied to the gradient, the tiles of the forward pass are made anew; else they, four times `x`, would wait for it.
    (x, grad), kernel = jax.lax.optimization_barrier((saved[0], grad)), saved[1]
    return _input_gradient(grad, kernel, precision), _weight_gradient(x, grad, precision)


conv3x3.defvjp(_forward, _backward)


def _input_gradient(grad: jax.Array, kernel: jax.Array, precision: Any) -> jax.Array:
    """A convolution of the padded gradient with the kernel mirrored, its input and output channels exchanged."""
    tiles = _tiles(jnp.pad(grad, ((0, 0), (2, 2), (2, 2), (0, 0))))
    weights = _weights(kernel)
    mirrored = [weights[4 * row + column] for row in _MIRRORED for column in _MIRRORED]
    return _outputs([product(tile, weight, 1, precision) for tile, weight in zip(tiles, mirrored, strict=True)])


def _weight_gradient(x: jax.Array, grad: jax.Array, precision: Any) -> jax.Array:
    """The transforms of `conv3x3` in the opposite direction around the product of tiles and gradients."""

    def spread(first: jax.Array, second: jax.Array) -> Sequence[jax.Array]:
        return first, first + second, first - second, -second

    def gathered(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> Sequence[jax.Array]:
        total, difference = (b + c) / 2, (b - c) / 2
        return a + total, difference, total + d

    places = twice(grad, lambda part, axis: spread(*every_other(part, axis, (0, 1), part.shape[axis] // 2)))
    products = [weight_product(tile, place, precision) for tile, place in zip(_tiles(x), places, strict=True)]
    rows = [gathered(*products[4 * row : 4 * row + 4]) for row in range(4)]
    columns = [gathered(*(row[column] for row in rows)) for column in range(3)]
    return jnp.stack([jnp.stack(column) for column in columns], axis=1)


def _tiles(x: jax.Array) -> Places:
    """The transformed 4x4 tiles, at every second pixel, of (N, H + 2, W + 2, C): each (N, H/2, W/2, C)."""

    def along(part: jax.Array, axis: int) -> Sequence[jax.Array]:
        a, b, c, d = every_other(part, axis, (0, 1, 2, 3), (part.shape[axis] - 2) // 2)
        return a - c, b + c, c - b, b - d

    return twice(x, along)


def _weights(kernel: jax.Array) -> Places:
    """The transformed kernel: each (I, O)."""

    def along(a: jax.Array, b: jax.Array, c: jax.Array) -> Sequence[jax.Array]:
        total, half = (a + c) / 2, b / 2
        return a, total + half, total - half, c

    return [place for row in along(*kernel) for place in along(*row)]


def _outputs(products: Places) -> jax.Array:
    """The pixels of each tile's 2x2 outputs, from its 16 products (N, h, w, C): (N, 2h, 2w, C)."""

    def along(a: jax.Array, b: jax.Array, c: jax.Array, d: jax.Array) -> Sequence[jax.Array]:
        return a + b + c, b - c - d

    columns = [along(*(products[4 * row + column] for row in range(4))) for column in range(4)]
    return interleaved([along(*(column[row] for column in columns)) for row in range(2)])


def product(tile: jax.Array, weight: jax.Array, contracted: int, precision: Any) -> jax.Array:
    """(N, h, w, I) by the weights (I, O), or (O, I), whose axis `contracted` is I."""
    rows = tile.reshape(-1, tile.shape[3])
    product = jax.lax.dot_general(rows, weight, (((1,), (contracted,)), ((), ())), precision)
    return product.reshape(*tile.shape[:3], -1)


def weight_product(tile: jax.Array, place: jax.Array, precision: Any) -> jax.Array:
    """(N, h, w, I) and gradients (N, h, w, O), over all pixels: (I, O)."""
    flat = tile.reshape(-1, tile.shape[3]), place.reshape(-1, place.shape[3])
    return jax.lax.dot_general(*flat, (((0,), (0,)), ((), ())), precision)


def interleaved(pixels: Sequence[Sequence[jax.Array]]) -> jax.Array:
    """An array (N, 2h, 2w, C) from its four phases (N, h, w, C), by row and column."""
    number, height, width, channels = pixels[0][0].shape
    rows = [jnp.stack(row, axis=3) for row in pixels]
    return jnp.stack(rows, axis=2).reshape(number, 2 * height, 2 * width, channels)


def twice(x: jax.Array, along: Callable[[jax.Array, int], Sequence[jax.Array]]) -> Places:
    """A transform of one axis applied to height, then to width."""
    return [place for row in along(x, 1) for place in along(row, 2)]


def every_other(x: jax.Array, axis: int, starts: Sequence[int], number: int) -> Sequence[jax.Array]:
    """`number` pixels along an axis, every second from each start."""
    return [jax.lax.slice_in_dim(x, start, start + 2 * number - 1, 2, axis) for start in starts]
