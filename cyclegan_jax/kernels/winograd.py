"""3x3 convolutions of stride 1 with 4 multiplications per output instead of 9: Winograd's F(2x2, 3x3), for CPU.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.1. The image is cut into
overlapping tiles of 4x4 pixels, each of which yields 2x2 pixels of the output. Tiles and kernel are transformed by sums
and differences; then each of the 16 places of a tile is one matrix product over all tiles and channels. The result
equals the convolution up to rounding, and in float32 its error is of the size of the convolution's own.

Along one axis, with pixels d0..d3, taps a, b, c, and m0..m3 the products of the transforms, place by place:

    pixels:  d0 - d2,  d1 + d2,          d2 - d1,          d1 - d3
    taps:    a,        (a + b + c) / 2,  (a - b + c) / 2,  c
    outputs: m0 + m1 + m2  and  m1 - m2 - m3
"""

from collections.abc import Callable, Sequence
from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "N H W I"]
Weights = Float[Array, "3 3 I O"]
Outputs = Float[Array, "N H-2 W-2 O"]
Places = list[Array]
"""One array for each of the 16 places of a tile, row by row."""

_MIRRORED: Final = (3, 1, 2, 0)
"""Exchanging taps a and c exchanges the first and the last of a kernel's transforms and leaves the other two: place p
of the mirrored kernel is place `_MIRRORED[p]` of the kernel."""


@jax.custom_vjp
def convolve(x: Images, kernel: Weights) -> Outputs:
    """Convolve without padding.

    Args:
        x: the images, of even height and width.
        kernel: the weights.

    Returns:
        Images that are 2 pixels smaller in height and width.
    """
    products = [product(tile, weight, 0) for tile, weight in zip(_tiles(x), _weights(kernel), strict=True)]
    return _outputs(products)


def _forward(x: Images, kernel: Weights) -> tuple[Outputs, tuple[Images, Weights]]:
    return convolve(x, kernel), (x, kernel)


def _backward(saved: tuple[Images, Weights], grad: Outputs) -> tuple[Images, Weights]:
    # XLA would share the transformed tiles between the forward and the backward pass and keep them, four times `x`, in
    # between. The barrier makes them depend on the gradient, so they are computed again: 5% faster, and less memory.
    (x, grad), kernel = jax.lax.optimization_barrier((saved[0], grad)), saved[1]
    return _input_gradient(grad, kernel), _weight_gradient(x, grad)


convolve.defvjp(_forward, _backward)


def _input_gradient(grad: Float[Array, "N h w O"], kernel: Weights) -> Images:
    """A convolution of the padded gradient with the kernel mirrored, its input and output channels exchanged."""
    tiles = _tiles(jnp.pad(grad, ((0, 0), (2, 2), (2, 2), (0, 0))))
    weights = _weights(kernel)
    mirrored = [weights[4 * row + column] for row in _MIRRORED for column in _MIRRORED]
    # Contracting axis 1 exchanges the channels without a transposed copy.
    return _outputs([product(tile, weight, 1) for tile, weight in zip(tiles, mirrored, strict=True)])


def _weight_gradient(x: Images, grad: Float[Array, "N h w O"]) -> Weights:
    """The transposed transforms of outputs and taps, around the products of tiles and gradients."""

    def spread(first: Array, second: Array) -> Sequence[Array]:
        return first, first + second, first - second, -second

    def gathered(a: Array, b: Array, c: Array, d: Array) -> Sequence[Array]:
        total, difference = (b + c) / 2, (b - c) / 2
        return a + total, difference, total + d

    places = twice(grad, lambda part, axis: spread(*every_other(part, axis, (0, 1), part.shape[axis] // 2)))
    products = [weight_product(tile, place) for tile, place in zip(_tiles(x), places, strict=True)]
    rows = [gathered(*products[4 * row : 4 * row + 4]) for row in range(4)]
    columns = [gathered(*(row[column] for row in rows)) for column in range(3)]
    return jnp.stack([jnp.stack(column) for column in columns], axis=1)


def _tiles(x: Images) -> Places:
    """The transformed 4x4 tiles, one at every second pixel: each place (N, H / 2 - 1, W / 2 - 1, I)."""

    def along(part: Array, axis: int) -> Sequence[Array]:
        # Strided slices of the whole image are the pixels of all tiles at once, without cutting it up.
        a, b, c, d = every_other(part, axis, (0, 1, 2, 3), (part.shape[axis] - 2) // 2)
        return a - c, b + c, c - b, b - d

    return twice(x, along)


def _weights(kernel: Weights) -> Places:
    """The transformed kernel: each place (I, O)."""

    def along(a: Array, b: Array, c: Array) -> Sequence[Array]:
        total, half = (a + c) / 2, b / 2
        return a, total + half, total - half, c

    return [place for row in along(*kernel) for place in along(*row)]


def _outputs(products: Places) -> Float[Array, "N h w O"]:
    """The 2x2 outputs of all tiles, from the products of the 16 places."""

    def along(a: Array, b: Array, c: Array, d: Array) -> Sequence[Array]:
        return a + b + c, b - c - d

    columns = [along(*(products[4 * row + column] for row in range(4))) for column in range(4)]
    return interleaved([along(*(column[row] for column in columns)) for row in range(2)])


def product(tile: Float[Array, "N h w C"], weight: Float[Array, "a b"], contracted: int) -> Float[Array, "N h w out"]:
    """The pixels' channels times a matrix, whose axis `contracted` belongs to those channels."""
    rows = tile.reshape(-1, tile.shape[3])
    result = jax.lax.dot_general(rows, weight, (((1,), (contracted,)), ((), ())))
    return result.reshape(*tile.shape[:3], -1)


def weight_product(tile: Float[Array, "N h w I"], place: Float[Array, "N h w O"]) -> Float[Array, "I O"]:
    """The product of inputs and gradients, summed over all pixels."""
    flat = tile.reshape(-1, tile.shape[3]), place.reshape(-1, place.shape[3])
    return jax.lax.dot_general(*flat, (((0,), (0,)), ((), ())))


def interleaved(pixels: Sequence[Sequence[Float[Array, "N h w C"]]]) -> Float[Array, "N 2*h 2*w C"]:
    """An image from its four phases, the even and odd pixels by row and column."""
    number, height, width, channels = pixels[0][0].shape
    rows = [jnp.stack(row, axis=3) for row in pixels]
    return jnp.stack(rows, axis=2).reshape(number, 2 * height, 2 * width, channels)


def twice(x: Float[Array, "N H W C"], along: Callable[[Array, int], Sequence[Array]]) -> Places:
    """Apply a transform of one axis to height, then to width."""
    return [place for row in along(x, 1) for place in along(row, 2)]


def every_other(x: Float[Array, "N H W C"], axis: int, starts: Sequence[int], number: int) -> Sequence[Array]:
    """`number` pixels along an axis, every second one, from each of the starts."""
    return [jax.lax.slice_in_dim(x, start, start + 2 * number - 1, 2, axis) for start in starts]
