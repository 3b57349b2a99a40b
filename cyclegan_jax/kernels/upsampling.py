"""Nearest upsampling and the 3x3 convolution after it as one, with nine products for four outputs, for CPU.

Along an axis, with pixels x and taps a, b, c, two outputs lie at each pixel p of the input:

    even: a x[p-1] + (b + c) x[p]     = s x[p] + a (x[p-1] - x[p])
    odd:  (a + b) x[p] + c x[p+1]     = s x[p] + c (x[p+1] - x[p])        s = a + b + c

They share a product: three give two outputs, and in two dimensions nine give four, where the plain form has 36. The
large image is never made. The numbers are those of the plain form up to rounding.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from cyclegan_jax.kernels.winograd import Places, interleaved, product, twice, weight_product


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv3x3_of_upsampled(x: jax.Array, kernel: jax.Array, precision: Any = None) -> jax.Array:
    """Double height and width by repeating pixels, then convolve with zero padding 1.

    Args:
        x: (N, H, W, I).
        kernel: (3, 3, I, O).
        precision: of the matrix products.

    Returns:
        (N, 2H, 2W, O).
    """
    products = [product(part, weight, 0, precision) for part, weight in zip(_parts(x), _weights(kernel), strict=True)]

    def along(shared: jax.Array, before: jax.Array, after: jax.Array) -> Sequence[jax.Array]:
        return shared + before, shared + after

    columns = [along(*(products[3 * row + column] for row in range(3))) for column in range(3)]
    return interleaved([along(*(column[row] for column in columns)) for row in range(2)])


def _forward(x: jax.Array, kernel: jax.Array, precision: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return conv3x3_of_upsampled(x, kernel, precision), (x, kernel)


def _backward(precision: Any, saved: tuple[jax.Array, jax.Array], grad: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Every transform of the forward pass, transposed; written out, as what JAX derives is a quarter slower."""
    # Tied to the gradient, the parts of the forward pass are made anew; else they, nine times `x`, would wait for it.
    (x, grad), kernel = jax.lax.optimization_barrier((saved[0], grad)), saved[1]

    def spread(part: jax.Array, axis: int) -> Sequence[jax.Array]:
        even, odd = (jax.lax.slice_in_dim(part, start, None, 2, axis) for start in (0, 1))
        return even + odd, even, odd

    grads = twice(grad, spread)
    backs = [product(part, weight, 1, precision) for part, weight in zip(grads, _weights(kernel), strict=True)]
    rows = [_taken_back(backs[3 * row : 3 * row + 3], axis=2) for row in range(3)]

    def gathered(shared: jax.Array, before: jax.Array, after: jax.Array) -> Sequence[jax.Array]:
        return shared + before, shared, shared + after

    taps = [weight_product(part, back, precision) for part, back in zip(_parts(x), grads, strict=True)]
    by_row = [gathered(*taps[3 * row : 3 * row + 3]) for row in range(3)]
    by_column = [gathered(*(row[column] for row in by_row)) for column in range(3)]
    return _taken_back(rows, axis=1), jnp.stack([jnp.stack(column) for column in by_column], axis=1)


conv3x3_of_upsampled.defvjp(_forward, _backward)


def _parts(x: jax.Array) -> Places:
    """The pixels, and how much those before and after differ from them, along both axes: nine (N, H, W, C)."""

    def along(part: jax.Array, axis: int) -> Sequence[jax.Array]:
        return part, _shifted(part, 1, axis) - part, _shifted(part, -1, axis) - part

    return twice(x, along)


def _taken_back(gradients: Sequence[jax.Array], axis: int) -> jax.Array:
    """The gradient of pixels along an axis, from those of what `_parts` makes of them."""
    shared, before, after = gradients
    return shared - before - after + _shifted(before, -1, axis) + _shifted(after, 1, axis)


def _weights(kernel: jax.Array) -> Places:
    """The kernels for `_parts`: each (I, O)."""

    def along(a: jax.Array, b: jax.Array, c: jax.Array) -> Sequence[jax.Array]:
        return a + b + c, a, c

    return [place for row in along(*kernel) for place in along(*row)]


def _shifted(x: jax.Array, by: int, axis: int) -> jax.Array:
    """Moved along an axis by one, with a zero coming in: by 1, each place holds what was before it."""
    pads = [(max(by, 0), max(-by, 0)) if other == axis else (0, 0) for other in range(x.ndim)]
    start = 0 if by > 0 else 1
    return jax.lax.slice_in_dim(jnp.pad(x, pads), start, start + x.shape[axis], 1, axis)
