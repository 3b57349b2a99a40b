"""Instance norm, and for accelerators a form with its gradient in few passes over the activations.

On an accelerator a norm costs what it reads and writes. For the gradient that JAX derives, XLA writes float32 copies of
the activations to memory and reads them again; for the closed form below it does not. On CPU the closed form
is slower, at 0.87 of the speed.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cyclegan_jax.kernels.choice import Kernels

Images = Float[Array, "N H W C"]
Moment = Float[Array, "#N 1 1 C"]
Statistics = tuple[Moment, Moment]
"""Mean and variance of each image and channel; those of one image may normalise many."""

EPS = 1e-5
"""Added to the variance, as in `torch.nn.InstanceNorm2d`."""


def statistics(x: Images, inside: Bool[Array, "N H W 1"] | None = None) -> Statistics:
    """Mean and biased variance of each image and channel over height and width, in float32 at least.

    Args:
        x: the images.
        inside: which pixels count; None means all.
    """
    wide = _wide(x)
    mean = wide.mean(axis=(1, 2), keepdims=True, where=inside)
    return mean, jnp.square(wide - mean).mean(axis=(1, 2), keepdims=True, where=inside)


def pooled(mean: Moment, variance: Moment) -> tuple[Float[Array, "1 1 1 C"], Float[Array, "1 1 1 C"]]:
    """Mean and variance of several images of one size as if they were one image, from those of each."""
    centre = mean.mean(axis=0, keepdims=True)
    return centre, (variance + jnp.square(mean - centre)).mean(axis=0, keepdims=True)


def normalize(x: Images, mean: Moment, variance: Moment) -> Images:
    """Shift and scale to zero mean and unit variance; the result has the type of `x`."""
    return ((x.astype(mean.dtype) - mean) * jax.lax.rsqrt(variance + EPS)).astype(x.dtype)


def instance_norm(x: Images, kernels: Kernels) -> Images:
    """Normalise each image and channel over height and width.

    There are no learned scale and offset and no running statistics, and the variance is the biased one: the defaults
    of `torch.nn.InstanceNorm2d`, which CycleGAN uses. The result has the type of `x`; sums are in float32 at least.

    Args:
        x: the images.
        kernels: chooses the form.
    """
    if kernels.instance_norm() == "few_pass_norm":
        return in_few_passes(x)
    return normalize(x, *statistics(x))


@jax.custom_vjp
def in_few_passes(x: Images) -> Images:
    """`instance_norm` in the form for accelerators."""
    return _forward(x)[0]


def _forward(x: Images) -> tuple[Images, tuple[Images, Statistics]]:
    moments = _statistics_in_one_pass(x) if _is_narrow(x) else statistics(x)
    return normalize(x, *moments), (x, moments)


def _backward(saved: tuple[Images, Statistics], grad: Images) -> tuple[Images]:
    """(grad - mean(grad) - y mean(grad y)) / deviation, where y is the normalised x."""
    x, (mean, variance) = saved
    scale = jax.lax.rsqrt(variance + EPS)
    if _is_narrow(x):
        # Without the barrier XLA computes `grad` anew for each of its uses below.
        x, grad = jax.lax.optimization_barrier((x, grad))
        # mean(grad y), from sums of grad and grad x, which need no mean of x first: XLA computes both in one pass.
        along = scale * ((_wide(grad) * _wide(x)).mean(axis=(1, 2), keepdims=True) - mean * _mean(grad))
    else:
        # In float32 the difference of large sums above would lose digits that the activations have.
        along = _mean(grad * (_wide(x) - mean) * scale)
    y = (_wide(x) - mean) * scale
    return ((scale * (_wide(grad) - _mean(grad) - y * along)).astype(x.dtype),)


in_few_passes.defvjp(_forward, _backward)


def _statistics_in_one_pass(x: Images) -> Statistics:
    """The variance as mean square less squared mean, of a 16-bit `x`.

    The subtraction cancels digits of the float32 sums, but none of those that 16 bits have. Rounding may leave it just
    below 0, which `rsqrt` would turn into NaN.
    """
    mean = _mean(x)
    return mean, jnp.maximum(jnp.square(_wide(x)).mean(axis=(1, 2), keepdims=True) - jnp.square(mean), 0)


def _mean(x: Images) -> Moment:
    return _wide(x).mean(axis=(1, 2), keepdims=True)


def _is_narrow(x: Images) -> bool:
    return x.dtype.itemsize < 4


def _wide(x: Images) -> Images:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
