"""Stride-1 convolutions between an image's few channels and many, for CPU.

XLA's CPU kernels are fast for many output channels and slow for few. With few outputs, one matrix product computes what
every pixel contributes through every tap, and the taps' contributions are then shifted and added up. Forward, this is
the last layer of a generator; backward, the gradient of the first layer's input.
"""

import functools
import operator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cyclegan_jax.kernels import plain

Images = Float[Array, "N H W I"]
Weights = Float[Array, "k k I O"]
Outputs = Float[Array, "N h w O"]


@jax.custom_vjp
def convolve(x: Images, kernel: Weights) -> Outputs:
    """Convolve without padding.

    Args:
        x: the images.
        kernel: the weights; the smaller of I and O is few.

    Returns:
        Images that are k - 1 pixels smaller in height and width.
    """
    if _has_few_outputs(kernel):
        return _product_and_shifts(x, kernel)
    return _plain(x, kernel)


def _forward(x: Images, kernel: Weights) -> tuple[Outputs, tuple[Images, Weights]]:
    return convolve(x, kernel), (x, kernel)


def _backward(saved: tuple[Images, Weights], grad: Outputs) -> tuple[Images, Weights]:
    x, kernel = saved
    around = kernel.shape[0] - 1
    padded = jnp.pad(grad, ((0, 0), (around, around), (around, around), (0, 0)))
    # Of the two gradients, one has few channels to compute and takes our form. The other one is XLA's; the unused half
    # of the pull-back is dead code, which the compiler drops.
    _, pull_back = jax.vjp(_plain, x, kernel)
    plain_x, plain_kernel = pull_back(grad)
    if _has_few_outputs(kernel):
        return plain_x, _weight_gradient(x, padded, kernel)
    # The gradient of the input is a convolution with the kernel mirrored and its channels exchanged: few outputs again.
    return _product_and_shifts(padded, jnp.flip(kernel, (0, 1)).swapaxes(2, 3)), plain_kernel


convolve.defvjp(_forward, _backward)


def _has_few_outputs(kernel: Weights) -> bool:
    return kernel.shape[3] < kernel.shape[2]


def _plain(x: Images, kernel: Weights) -> Outputs:
    return plain.convolve(x, kernel, 1, ((0, 0), (0, 0)))


def _product_and_shifts(x: Images, kernel: Weights) -> Outputs:
    """For few outputs: the contributions of all taps by one product, added up over the kernel's rows, then columns."""
    side, _, inputs, outputs = kernel.shape
    number, height, width = x.shape[0], x.shape[1] - side + 1, x.shape[2] - side + 1
    weights = jnp.transpose(kernel, (2, 0, 1, 3)).reshape(inputs, -1)
    shares = jax.lax.dot_general(x.reshape(-1, inputs), weights, (((1,), (0,)), ((), ())))
    # Axes: image, row, column of the pixel; row of the tap; column of the tap with the output channel. Output o takes
    # tap i of pixel o + i, so tap row i is read i pixels further down. Rows first: that leaves k arrays to add for the
    # columns, where k x k would be left if both were shifted at once.
    shares = shares.reshape(number, *x.shape[1:3], side, side * outputs)
    rows = _sum([shares[:, i : i + height, :, i] for i in range(side)])
    return _sum([rows[:, :, j : j + width, outputs * j : outputs * (j + 1)] for j in range(side)])


def _sum(arrays: list[Array]) -> Array:
    return functools.reduce(operator.add, arrays)


def _weight_gradient(x: Images, padded: Float[Array, "N P Q O"], kernel: Weights) -> Weights:
    """For few outputs: one product of the input and the output's gradient, whose k x k shifts lie side by side.

    Pixel p of the input reaches output p - i through tap i. In `padded`, the output's gradient with k - 1 zeros around
    it, that is at p + k - 1 - i: shift s belongs to tap k - 1 - s, so the taps come out mirrored.
    """
    side, _, inputs, outputs = kernel.shape
    height, width = x.shape[1:3]
    columns = jnp.concatenate([padded[:, :, j : j + width] for j in range(side)], axis=3)
    columns = jnp.concatenate([columns[:, i : i + height] for i in range(side)], axis=3)
    flat = x.reshape(-1, inputs), columns.reshape(-1, columns.shape[3])
    taps = jax.lax.dot_general(*flat, (((0,), (0,)), ((), ()))).reshape(inputs, side, side, outputs)
    return jnp.transpose(jnp.flip(taps, (1, 2)), (1, 2, 0, 3))
