"""Stride-1 convolutions between an image's few channels and many, in the forms that are fastest on CPU.

XLA's kernels are made for many output channels. With few of them, one matrix product gives what each pixel adds through
every tap, and the taps' shares are then shifted and added up. The numbers are those of the convolution up to rounding.
"""

import functools
import operator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

FEW = 4
"""Channels of an image, at most."""


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv_thin(x: jax.Array, kernel: jax.Array, precision: Any = None) -> jax.Array:
    """Convolve without padding.

    Args:
        x: (N, H + k - 1, W + k - 1, I).
        kernel: (k, k, I, O); I or O is few.
        precision: of the products.

    Returns:
        (N, H, W, O).
    """
    if kernel.shape[3] <= FEW:
        return _product_and_shifts(x, kernel, precision)
    return _plain(x, kernel, precision)


def _forward(x: jax.Array, kernel: jax.Array, precision: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return conv_thin(x, kernel, precision), (x, kernel)


def _backward(precision: Any, saved: tuple[jax.Array, jax.Array], grad: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    around = kernel.shape[0] - 1
    wide = jnp.pad(grad, ((0, 0), (around, around), (around, around), (0, 0)))
    _, pull_back = jax.vjp(lambda x, kernel: _plain(x, kernel, precision), x, kernel)
    plain_x, plain_kernel = pull_back(grad)
    if kernel.shape[3] <= FEW:
        return plain_x, _weight_gradient(x, wide, kernel, precision)
    return _product_and_shifts(wide, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), precision), plain_kernel


conv_thin.defvjp(_forward, _backward)


def _plain(x: jax.Array, kernel: jax.Array, precision: Any) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision
    )


def _product_and_shifts(x: jax.Array, kernel: jax.Array, precision: Any) -> jax.Array:
    """For few outputs: the shares of all taps at once; then rows are added up, then columns."""
    side, _, inputs, outputs = kernel.shape
    number, height, width = x.shape[0], x.shape[1] - side + 1, x.shape[2] - side + 1
    weights = jnp.transpose(kernel, (2, 0, 1, 3)).reshape(inputs, -1)
    shares = jax.lax.dot_general(x.reshape(-1, inputs), weights, (((1,), (0,)), ((), ())), precision)
    shares = shares.reshape(number, *x.shape[1:3], side, side * outputs)
    rows = _sum([shares[:, i : i + height, :, i] for i in range(side)])
    return _sum([rows[:, :, j : j + width, outputs * j : outputs * (j + 1)] for j in range(side)])


def _sum(arrays: list[jax.Array]) -> jax.Array:
    return functools.reduce(operator.add, arrays)


def _weight_gradient(x: jax.Array, wide: jax.Array, kernel: jax.Array, precision: Any) -> jax.Array:
    """For few outputs: one product of the input and the output's gradient, laid beside itself once a tap.

    Pixel p of the input reaches output p - i through tap i, which the padded gradient `wide` has at p + k - 1 - i.
    """
    side, _, inputs, outputs = kernel.shape
    height, width = x.shape[1:3]
    columns = jnp.concatenate([wide[:, :, j : j + width] for j in range(side)], axis=3)
    columns = jnp.concatenate([columns[:, i : i + height] for i in range(side)], axis=3)
    flat = x.reshape(-1, inputs), columns.reshape(-1, columns.shape[3])
    taps = jax.lax.dot_general(*flat, (((0,), (0,)), ((), ())), precision).reshape(inputs, side, side, outputs)
    return jnp.transpose(jnp.flip(taps, (1, 2)), (1, 2, 0, 3))
