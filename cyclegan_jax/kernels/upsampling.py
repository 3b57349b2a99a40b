"""Nearest upsampling and the 3x3 convolution after it in one, with nine products for four outputs, for CPU.

Along an axis, with pixels x and taps a, b, c, two outputs lie at each pixel p of the input:

    even: a x[p-1] + (b + c) x[p]     = s x[p] + a (x[p-1] - x[p])
    odd:  (a + b) x[p] + c x[p+1]     = s x[p] + c (x[p+1] - x[p])        s = a + b + c

They share the product s x[p]: three products yield two outputs, and in two dimensions nine yield four, for which the
plain form takes 36. The large image is never written. The result equals the plain form's up to rounding.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cyclegan_jax.kernels.winograd import Places, interleaved, product, twice, weight_product

Small = Float[Array, "N H W I"]
Large = Float[Array, "N 2*H 2*W O"]
Weights = Float[Array, "3 3 I O"]


@jax.custom_vjp
def convolve_upsampled(x: Small, kernel: Weights) -> Large:
    """Double height and width by repeating pixels, then convolve with zero padding 1.

    Args:
        x: the images.
        kernel: the weights.

    Returns:
        Images of twice the height and width.
    """
    products = [product(part, weight, 0) for part, weight in zip(_parts(x), _weights(kernel), strict=True)]

    def along(shared: Array, before: Array, after: Array) -> Sequence[Array]:
        return shared + before, shared + after

    columns = [along(*(products[3 * row + column] for row in range(3))) for column in range(3)]
    return interleaved([along(*(column[row] for column in columns)) for row in range(2)])


def _forward(x: Small, kernel: Weights) -> tuple[Large, tuple[Small, Weights]]:
    return convolve_upsampled(x, kernel), (x, kernel)


def _backward(saved: tuple[Small, Weights], grad: Float[Array, "N h w O"]) -> tuple[Small, Weights]:
    """Every transform of the forward pass, transposed. What JAX derives is 20 to 25% slower."""
    # As in `winograd.py`: otherwise XLA keeps the nine parts of the forward pass, nine times `x`, for this one.
    (x, grad), kernel = jax.lax.optimization_barrier((saved[0], grad)), saved[1]

    def spread(part: Array, axis: int) -> Sequence[Array]:
        even, odd = (jax.lax.slice_in_dim(part, start, None, 2, axis) for start in (0, 1))
        return even + odd, even, odd

    grads = twice(grad, spread)
    backs = [product(part, weight, 1) for part, weight in zip(grads, _weights(kernel), strict=True)]
    rows = [_parts_gradient(backs[3 * row : 3 * row + 3], axis=2) for row in range(3)]

    def gathered(shared: Array, before: Array, after: Array) -> Sequence[Array]:
        return shared + before, shared, shared + after

    taps = [weight_product(part, back) for part, back in zip(_parts(x), grads, strict=True)]
    by_row = [gathered(*taps[3 * row : 3 * row + 3]) for row in range(3)]
    by_column = [gathered(*(row[column] for row in by_row)) for column in range(3)]
    return _parts_gradient(rows, axis=1), jnp.stack([jnp.stack(column) for column in by_column], axis=1)


convolve_upsampled.defvjp(_forward, _backward)


def _parts(x: Small) -> Places:
    """x[p], x[p-1] - x[p] and x[p+1] - x[p], along both axes: nine arrays like `x`."""

    def along(part: Array, axis: int) -> Sequence[Array]:
        return part, _shifted(part, 1, axis) - part, _shifted(part, -1, axis) - part

    return twice(x, along)


def _parts_gradient(gradients: Sequence[Array], axis: int) -> Array:
    """The gradient of the pixels from those of their `_parts` along one axis."""
    shared, before, after = gradients
    return shared - before - after + _shifted(before, -1, axis) + _shifted(after, 1, axis)


def _weights(kernel: Weights) -> Places:
    """s, a and c, along both axes: the (I, O) matrices for `_parts`."""

    def along(a: Array, b: Array, c: Array) -> Sequence[Array]:
        return a + b + c, a, c

    return [place for row in along(*kernel) for place in along(*row)]


def _shifted(x: Float[Array, "N H W C"], by: int, axis: int) -> Float[Array, "N H W C"]:
    """Move an image by one pixel along an axis, with zeros coming in: by 1, each place holds what was before it."""
    pads = [(max(by, 0), max(-by, 0)) if other == axis else (0, 0) for other in range(x.ndim)]
    start = 0 if by > 0 else 1
    return jax.lax.slice_in_dim(jnp.pad(x, pads), start, start + x.shape[axis], 1, axis)
