"""Convolutions that double height and width, in the form for which GPUs have kernels.

Written as a convolution of an input with zeros between its pixels, XLA puts the zeros into memory on GPU, multiplies
by them, and takes the gradient of the weights by a convolution whose kernel is as large as the image. The same numbers
are the gradient of a convolution of stride 2 by its input, and then all three passes are kernels of cuDNN.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

NHWC = ("NHWC", "HWIO", "NHWC")


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_doubling(x: jax.Array, kernel: jax.Array, before: int, precision: Any = None) -> jax.Array:
    """Put a zero after every pixel, `before` zeros in front, zeros behind up to twice the size, and convolve.

    Args:
        x: (N, H, W, I).
        kernel: (k, k, I, O).
        before: zeros at the top and left.
        precision: of the products.

    Returns:
        (N, 2H, 2W, O).
    """
    # XLA knows the gradient of a convolution by the mirrored kernel; behind the barrier it cannot mirror it back.
    halving = jax.lax.optimization_barrier(_of_halving(kernel))
    number, height, width, _ = x.shape
    doubled = jax.ShapeDtypeStruct((number, 2 * height, 2 * width, kernel.shape[3]), x.dtype)
    (y,) = jax.linear_transpose(lambda y: _halve(y, halving, before, precision), doubled)(x)
    return y


def _forward(
    x: jax.Array, kernel: jax.Array, before: int, precision: Any
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return conv_doubling(x, kernel, before, precision), (x, kernel)


def _backward(
    before: int, precision: Any, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    halving = _of_halving(kernel)
    x_grad = _halve(grad, halving, before, precision)
    (halving_grad,) = jax.linear_transpose(lambda halving: _halve(grad, halving, before, precision), halving)(x)
    return x_grad, _of_halving(halving_grad)


conv_doubling.defvjp(_forward, _backward)


def conv3x3_of_upsampled(x: jax.Array, kernel: jax.Array, precision: Any = None) -> jax.Array:
    """Double height and width by repeating pixels, then convolve with zero padding 1: 4 products an output, not 9.

    Along an axis, with taps a, b, c, every output is one of a x[p-1] + (b + c) x[p] and (a + b) x[p] + c x[p+1]: what
    the kernel (a, a + b, b + c, c) gives between whose input's pixels there are zeros.

    Args:
        x: (N, H, W, I).
        kernel: (3, 3, I, O).
        precision: of the products.

    Returns:
        (N, 2H, 2W, O).
    """
    wide = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
    return conv_doubling(x, _folded(_folded(wide, 0), 1).astype(kernel.dtype), 2, precision)


def _folded(kernel: jax.Array, axis: int) -> jax.Array:
    a, b, c = (jax.lax.index_in_dim(kernel, place, axis, keepdims=False) for place in range(3))
    return jnp.stack([a, a + b, b + c, c], axis)


def _of_halving(kernel: jax.Array) -> jax.Array:
    """The kernel of the convolution of stride 2, from that of the doubling one, or back."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def _halve(y: jax.Array, halving: jax.Array, before: int, precision: Any) -> jax.Array:
    pad = halving.shape[0] - 1 - before
    return jax.lax.conv_general_dilated(
        y, halving, (2, 2), ((pad, pad), (pad, pad)), dimension_numbers=NHWC, precision=precision
    )
