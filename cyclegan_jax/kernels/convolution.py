"""Convolutions in the forms that are fastest on CPU, and on GPU where it has no kernel for what is written.

XLA computes the gradient of a convolution's weights as a convolution with the output's gradient as its kernel: as large
as the image, a shape that its CPU kernels are poor at. Written out, tap (i, j) of that gradient is one matrix product
of the input, shifted by (i, j), and the output's gradient.

The other forms have files of their own: `winograd.py` for the residual blocks, `upsampling.py` for nearest upsampling
and its convolution, `thin.py` for the first and the last layer, and for GPU `transposed.py`. All give the same numbers
up to rounding.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from cyclegan_jax.kernels import doubling as transposed
from cyclegan_jax.kernels import few_channels as thin
from cyclegan_jax.kernels import upsampling, winograd

Pads = tuple[tuple[int, int], tuple[int, int]]
NHWC = ("NHWC", "HWIO", "NHWC")
LEAST_CHANNELS = 128
LEAST_TILES = 64
MOST_THIN_PIXELS = 2**19


def conv_general_dilated(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Any,
    *,
    lhs_dilation: Sequence[int],
    **options: Any,
) -> jax.Array:
    """`jax.lax.conv_general_dilated` as `nnx.Conv` calls it, with a faster weight gradient where one is known.

    Args:
        x: (N, H, W, I).
        kernel: (h, w, I, O).
        strides: step of the kernel.
        padding: zeros (before, after) for height and width.
        lhs_dilation: spacing of the input's pixels, 2 in an upsampling transposed convolution.
        options: the remaining arguments, handed on.
    """
    stride, dilation = strides[0], lhs_dilation[0]
    if dilation == 2 and on_gpu():
        return transposed.conv_doubling(x, kernel, padding[0][0], options.get("precision"))
    if _winograd_is_faster(x, kernel, stride, dilation, padding):
        return winograd.conv3x3(x, kernel, options.get("precision"))
    if _thin_is_faster(x, kernel, stride, dilation, padding):
        return thin.conv_thin(x, kernel, options.get("precision"))
    if not _taps_are_faster(kernel.shape, stride, dilation):
        return jax.lax.conv_general_dilated(x, kernel, strides, padding, lhs_dilation=lhs_dilation, **options)
    pads = tuple((int(before), int(after)) for before, after in padding)
    return _conv(x, kernel, stride, pads, dilation, options.get("precision"))


def conv_of_nearest_upsampled(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Any, **options: Any
) -> jax.Array:
    """Double height and width by repeating pixels, then convolve with a 3x3 kernel, zero padding 1, stride 1.

    Args:
        x: (N, H, W, I).
        kernel: (3, 3, I, O).
        strides: 1, as `nnx.Conv` hands it on.
        padding: 1 on all sides, as `nnx.Conv` hands it on.
        options: the remaining arguments, handed on.

    Returns:
        (N, 2H, 2W, O).
    """
    if _is_exact(kernel):
        return upsampling.conv3x3_of_upsampled(x, kernel, options.get("precision"))
    if on_gpu():
        return transposed.conv3x3_of_upsampled(x, kernel, options.get("precision"))
    return conv_general_dilated(upsample_nearest(x), kernel, strides, padding, **options)


def on_gpu() -> bool:
    """Whether the program is for a GPU."""
    return jax.default_backend() == "gpu"


def upsample_nearest(x: jax.Array) -> jax.Array:
    """Double height and width of an NHWC array by repeating pixels."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def _taps_are_faster(shape: Sequence[int], stride: int, dilation: int) -> bool:
    """Measured on two CPU cores: not for 7x7 kernels, nor for wide stride-1 ones, which XLA computes at full rate."""
    height, _, inputs, outputs = shape
    narrow = min(inputs, outputs) < 256
    return jax.default_backend() == "cpu" and height <= 4 and (stride > 1 or dilation > 1 or narrow)


def _winograd_is_faster(x: jax.Array, kernel: jax.Array, stride: int, dilation: int, padding: Any) -> bool:
    """Measured on two CPU cores: from 128 channels and 8x8 tiles of 2x2 pixels on, as in the residual blocks."""
    tiles = len(x) * (x.shape[1] // 2) * (x.shape[2] // 2)
    return (
        kernel.shape[:2] == (3, 3)
        and _is_dense(kernel, stride, dilation, padding)
        and x.shape[1] % 2 == x.shape[2] % 2 == 0
        and min(kernel.shape[2:]) >= LEAST_CHANNELS
        and tiles >= LEAST_TILES
    )


def _thin_is_faster(x: jax.Array, kernel: jax.Array, stride: int, dilation: int, padding: Any) -> bool:
    """Measured on two CPU cores for the generators' 7x7 stem and head. They take twice an activation's memory."""
    few, many = sorted(kernel.shape[2:])
    return (
        kernel.shape[:2] == (7, 7)
        and _is_dense(kernel, stride, dilation, padding)
        and few <= thin.FEW < many
        and x.shape[0] * x.shape[1] * x.shape[2] <= MOST_THIN_PIXELS
    )


def _is_dense(kernel: jax.Array, stride: int, dilation: int, padding: Any) -> bool:
    """Whether a convolution has neither strides nor zeros, and `_is_exact` allows another form of it."""
    return _is_exact(kernel) and (stride, dilation) == (1, 1) and not any(zeros for pads in padding for zeros in pads)


def _is_exact(kernel: jax.Array) -> bool:
    """Whether this is a CPU, and the type has digits enough for sums in another order."""
    return jax.default_backend() == "cpu" and kernel.dtype in (jnp.float32, jnp.float64)


def _plain(x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, dilation: int, precision: Any) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        pads,
        lhs_dilation=(dilation, dilation),
        dimension_numbers=NHWC,
        precision=precision,
    )


_conv = jax.custom_vjp(_plain, nondiff_argnums=(2, 3, 4, 5))


def _forward(
    x: jax.Array, kernel: jax.Array, stride: int, pads: Pads, dilation: int, precision: Any
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _plain(x, kernel, stride, pads, dilation, precision), (x, kernel)


def _backward(
    stride: int, pads: Pads, dilation: int, precision: Any, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    _, pull_back = jax.vjp(lambda x: _plain(x, kernel, stride, pads, dilation, precision), x)
    return pull_back(grad)[0], weight_gradient(x, grad, kernel, stride, pads, dilation, precision)


_conv.defvjp(_forward, _backward)


def weight_gradient(
    x: jax.Array, grad: jax.Array, kernel: jax.Array, stride: int, pads: Pads, dilation: int, precision: Any = None
) -> jax.Array:
    """The gradient of the weights of a convolution of stride 1 or dilation 1, tap by tap.

    Args:
        x: (N, H, W, I) the input.
        grad: (N, h, w, O) the gradient of the output.
        kernel: the weights, for their shape and type.
        stride: step of the kernel.
        pads: zeros around the input.
        dilation: spacing of the input's pixels.
        precision: of the products.

    Returns:
        An array like `kernel`.
    """
    height, width, inputs, outputs = kernel.shape
    taps = []
    if dilation == 1:
        # Output o reads input stride * o + i through tap i.
        rows, columns = grad.shape[1:3]
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
        for i in range(height):
            for j in range(width):
                taps.append((_strided(x, i, j, rows, columns, stride), grad))
    else:
        # Input p reaches output dilation * p + before - i through tap i; zeros stand in for outputs outside.
        rows, columns = x.shape[1:3]
        before = (height - 1 - pads[0][0], width - 1 - pads[1][0])
        after = [
            max(0, dilation * (size - 1) + lead + 1 - length)
            for size, (lead, _), length in zip((rows, columns), pads, grad.shape[1:3], strict=True)
        ]
        grad = jnp.pad(grad, ((0, 0), (before[0], after[0]), (before[1], after[1]), (0, 0)))
        for i in range(height):
            for j in range(width):
                taps.append((x, _strided(grad, height - 1 - i, width - 1 - j, rows, columns, dilation)))
    products = [
        jax.lax.dot_general(
            left.reshape(-1, inputs),
            right.reshape(-1, outputs),
            (((0,), (0,)), ((), ())),
            precision=precision,
            preferred_element_type=jnp.promote_types(kernel.dtype, jnp.float32),
        )
        for left, right in taps
    ]
    return jnp.stack(products).reshape(kernel.shape).astype(kernel.dtype)


def _strided(x: jax.Array, top: int, left: int, rows: int, columns: int, step: int) -> jax.Array:
    """`rows` x `columns` pixels of NHWC `x`, every `step`-th from (top, left)."""
    limits = (x.shape[0], top + step * (rows - 1) + 1, left + step * (columns - 1) + 1, x.shape[3])
    return jax.lax.slice(x, (0, top, left, 0), limits, (1, step, step, 1))
