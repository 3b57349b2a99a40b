"""Convolutions that double height and width, in the form for which GPUs have kernels.

Written plainly, such a convolution reads an input with zeros between its pixels. On GPU, XLA writes those zeros to
memory, multiplies by them, and computes the weight gradient by a convolution whose kernel is as large as the image.
The same function is also the gradient of a stride-2 ("halving") convolution with respect to its input. In that form all
three passes are ordinary kernels of cuDNN: the forward pass is a backward-input kernel, the gradient of the input a
forward kernel, and the weight gradient a backward-filter kernel.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cyclegan_jax.kernels import plain

Small = Float[Array, "N H W I"]
Large = Float[Array, "N h w O"]
Weights = Float[Array, "k k I O"]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: Small, kernel: Weights, before: int) -> Large:
    """Put a zero after every pixel, add zeros around the image up to twice its size afterwards, and convolve.

    Args:
        x: the images.
        kernel: the weights.
        before: zeros at the top and the left.

    Returns:
        Images of twice the height and width.
    """
    # XLA recognises the gradient of a convolution by its mirrored kernel, and would simplify the two mirrorings, ours
    # and that of the transposition, to the plain form again. It does not look through the barrier.
    halving = jax.lax.optimization_barrier(_mirrored(kernel))
    number, height, width, _ = x.shape
    doubled = jax.ShapeDtypeStruct((number, 2 * height, 2 * width, kernel.shape[3]), x.dtype)
    # A convolution is linear in its input, so its gradient is its transpose.
    (y,) = jax.linear_transpose(lambda y: _halve(y, halving, before), doubled)(x)
    return y


def _forward(x: Small, kernel: Weights, before: int) -> tuple[Large, tuple[Small, Weights]]:
    return convolve(x, kernel, before), (x, kernel)


def _backward(before: int, saved: tuple[Small, Weights], grad: Large) -> tuple[Small, Weights]:
    x, kernel = saved
    halving = _mirrored(kernel)
    x_grad = _halve(grad, halving, before)
    # The halving convolution is linear in its kernel, too: the weight gradient is the transpose of that, applied to x.
    (halving_grad,) = jax.linear_transpose(lambda halving: _halve(grad, halving, before), halving)(x)
    return x_grad, _mirrored(halving_grad)


convolve.defvjp(_forward, _backward)


def convolve_upsampled(x: Small, kernel: Float[Array, "3 3 I O"]) -> Large:
    """Double height and width by repeating pixels, then convolve with zero padding 1, as one doubling convolution.

    Along an axis, with taps a, b, c, the outputs at pixel p of the input are

        even: a x[p-1] + (b + c) x[p]
        odd:  (a + b) x[p] + c x[p+1]

    The kernel (a, a + b, b + c, c), slid over the pixels with zeros between them, meets the same pixels with the same
    weights. An output takes 4 products instead of 9, and the large image is never written.

    Args:
        x: the images.
        kernel: the weights.

    Returns:
        Images of twice the height and width.
    """
    # 16-bit weights are added up in 32 bits and rounded once.
    wide = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
    return convolve(x, _folded(_folded(wide, 0), 1).astype(kernel.dtype), 2)


def _folded(kernel: Float[Array, "..."], axis: int) -> Float[Array, "..."]:
    """Four taps for three, along an axis."""
    a, b, c = (jax.lax.index_in_dim(kernel, place, axis, keepdims=False) for place in range(3))
    return jnp.stack([a, a + b, b + c, c], axis)


def _mirrored(kernel: Float[Array, "k k a b"]) -> Float[Array, "k k b a"]:
    """The kernel of the halving convolution from that of the doubling one, or the other way round."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def _halve(y: Large, halving: Float[Array, "k k O I"], before: int) -> Small:
    """The stride-2 convolution whose gradient the doubling one is."""
    # A doubling convolution that starts `before` zeros early corresponds to a halving one that starts k - 1 - before.
    pad = halving.shape[0] - 1 - before
    return plain.convolve(y, halving, 2, ((pad, pad), (pad, pad)))
