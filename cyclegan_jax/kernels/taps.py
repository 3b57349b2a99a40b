"""Convolutions whose weight gradient is computed tap by tap, for CPU.

XLA computes the weight gradient as a convolution with the output's gradient as its kernel. That kernel is as large as
the image, a shape for which XLA's CPU kernels are slow. Tap (i, j) of the gradient is also one matrix product, of the
input shifted by (i, j) and the output's gradient: for a 3x3 kernel nine products, each at full rate.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cyclegan_jax.kernels import plain
from cyclegan_jax.kernels.choice import Padding

Images = Float[Array, "N H W I"]
Weights = Float[Array, "k k I O"]
Outputs = Float[Array, "N h w O"]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def convolve(x: Images, kernel: Weights, stride: int, padding: Padding, dilation: int) -> Outputs:
    """Convolve as `plain.convolve` does; only the gradient differs.

    Args:
        x: the images.
        kernel: the weights.
        stride: step of the kernel, pixels; 1 where `dilation` is not.
        padding: zeros around the (dilated) images.
        dilation: 2 puts a zero between every two pixels of the images first.
    """
    return plain.convolve(x, kernel, stride, padding, dilation)


def _forward(
    x: Images, kernel: Weights, stride: int, padding: Padding, dilation: int
) -> tuple[Outputs, tuple[Images, Weights]]:
    return convolve(x, kernel, stride, padding, dilation), (x, kernel)


def _backward(
    stride: int, padding: Padding, dilation: int, saved: tuple[Images, Weights], grad: Outputs
) -> tuple[Images, Weights]:
    x, kernel = saved
    x_grad = _input_gradient(grad, kernel, x.shape, stride, padding, dilation)
    return x_grad, weight_gradient(x, grad, kernel, stride, padding, dilation)


convolve.defvjp(_forward, _backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _input_gradient(
    grad: Outputs, kernel: Weights, shape: tuple[int, ...], stride: int, padding: Padding, dilation: int
) -> Images:
    """The gradient of the images, of `shape`, whose own gradient a gradient penalty needs: by taps it is 6x faster."""
    _, pull_back = jax.vjp(lambda x: plain.convolve(x, kernel, stride, padding, dilation), jnp.zeros(shape, grad.dtype))
    (x_grad,) = pull_back(grad)
    return x_grad


def _input_gradient_forward(
    grad: Outputs, kernel: Weights, shape: tuple[int, ...], stride: int, padding: Padding, dilation: int
) -> tuple[Images, tuple[Outputs, Weights]]:
    return _input_gradient(grad, kernel, shape, stride, padding, dilation), (grad, kernel)


def _input_gradient_backward(
    shape: tuple[int, ...],
    stride: int,
    padding: Padding,
    dilation: int,
    saved: tuple[Outputs, Weights],
    along: Images,
) -> tuple[Outputs, Weights]:
    # The product of `along` and the gradient of the images is that of the convolved `along` and `grad`, for all three.
    grad, kernel = saved
    kernel_grad = weight_gradient(along, grad, kernel, stride, padding, dilation)
    return convolve(along, kernel, stride, padding, dilation), kernel_grad


_input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)


def weight_gradient(x: Images, grad: Outputs, kernel: Weights, stride: int, padding: Padding, dilation: int) -> Weights:
    """The gradient of a convolution's weights.

    Args:
        x: the images.
        grad: the gradient of the output.
        kernel: the weights, for their shape and type.
        stride: step of the kernel; 1 where `dilation` is not.
        padding: zeros around the (dilated) images.
        dilation: spacing of the images' pixels.
    """
    if dilation == 1:
        pairs = _shifted_images(x, grad, kernel, stride, padding)
    else:
        pairs = _shifted_grads(x, grad, kernel, padding, dilation)
    inputs, outputs = kernel.shape[2:]
    products = [
        jax.lax.dot_general(
            images.reshape(-1, inputs),
            grads.reshape(-1, outputs),
            (((0,), (0,)), ((), ())),
            # 16-bit images have too many pixels to add them up in 16 bits.
            preferred_element_type=jnp.promote_types(kernel.dtype, jnp.float32),
        )
        for images, grads in pairs
    ]
    return jnp.stack(products).reshape(kernel.shape).astype(kernel.dtype)


def _shifted_images(
    x: Images, grad: Outputs, kernel: Weights, stride: int, padding: Padding
) -> list[tuple[Array, Array]]:
    """For each tap, the input pixels it reads and the gradients of the outputs it adds them to."""
    rows, columns = grad.shape[1:3]
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    # Output o reads input stride * o + i through tap i.
    return [
        (_every(x, i, j, rows, columns, stride), grad) for i in range(kernel.shape[0]) for j in range(kernel.shape[1])
    ]


def _shifted_grads(
    x: Images, grad: Outputs, kernel: Weights, padding: Padding, dilation: int
) -> list[tuple[Array, Array]]:
    """The same pairs for stride 1 and a dilated input: instead of the input with its zeros, the gradient is shifted."""
    height, width = kernel.shape[:2]
    rows, columns = x.shape[1:3]
    # Input p reaches output dilation * p + lead - i through tap i. That may lie outside: before the first output by up
    # to height - 1 - lead, behind the last by `after`. Zeros stand there.
    before = (height - 1 - padding[0][0], width - 1 - padding[1][0])
    after = [
        max(0, dilation * (size - 1) + lead + 1 - length)
        for size, (lead, _), length in zip((rows, columns), padding, grad.shape[1:3], strict=True)
    ]
    grad = jnp.pad(grad, ((0, 0), (before[0], after[0]), (before[1], after[1]), (0, 0)))
    return [
        (x, _every(grad, height - 1 - i, width - 1 - j, rows, columns, dilation))
        for i in range(height)
        for j in range(width)
    ]


def _every(
    x: Float[Array, "N H W C"], top: int, left: int, rows: int, columns: int, step: int
) -> Float[Array, "N {rows} {columns} C"]:
    """`rows` x `columns` pixels, every `step`-th from (top, left)."""
    limits = (x.shape[0], top + step * (rows - 1) + 1, left + step * (columns - 1) + 1, x.shape[3])
    return jax.lax.slice(x, (0, top, left, 0), limits, (1, step, step, 1))
