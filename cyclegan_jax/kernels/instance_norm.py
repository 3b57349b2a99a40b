"""Instance norm, and for accelerators its gradient in few passes over the activations.

There a norm costs what it reads and writes. As JAX derives the gradient, XLA writes float32 copies of the activations
to memory and reads them again; in the closed form below it does not. On CPU the closed form is the slower one.
"""

import jax
import jax.numpy as jnp

Statistics = tuple[jax.Array, jax.Array]
"""Mean and variance of each image and channel, (N, 1, 1, C)."""

EPS = 1e-5
"""Added to the variance, as by `torch.nn.InstanceNorm2d`."""


def statistics(x: jax.Array, inside: jax.Array | None = None) -> Statistics:
    """Mean and biased variance of each image and channel over height and width, in float32 at least.

    Args:
        x: (N, H, W, C).
        inside: (N, H, W, 1) bool, the pixels that count; None is all.
    """
    wide = _wide(x)
    mean = wide.mean(axis=(1, 2), keepdims=True, where=inside)
    return mean, jnp.square(wide - mean).mean(axis=(1, 2), keepdims=True, where=inside)


def normalize(x: jax.Array, mean: jax.Array, variance: jax.Array) -> jax.Array:
    """Shift and scale to zero mean and unit variance; the result has the type of `x`."""
    return ((x.astype(mean.dtype) - mean) * jax.lax.rsqrt(variance + EPS)).astype(x.dtype)


def instance_norm(x: jax.Array) -> jax.Array:
    """Normalise each image and channel of an NHWC array over height and width.

    There are no learned scale and offset and no running statistics, and the variance is the biased one: the defaults
    of `torch.nn.InstanceNorm2d`, which CycleGAN uses. The result has the type of `x`; sums are in float32 at least.
    """
    if jax.default_backend() == "cpu":
        return normalize(x, *statistics(x))
    return in_few_passes(x)


@jax.custom_vjp
def in_few_passes(x: jax.Array) -> jax.Array:
    """`instance_norm` in the form for accelerators."""
    return _forward(x)[0]


def _forward(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, Statistics]]:
    taken = _statistics_in_one_pass(x) if _is_narrow(x) else statistics(x)
    return normalize(x, *taken), (x, taken)


def _backward(saved: tuple[jax.Array, Statistics], grad: jax.Array) -> tuple[jax.Array]:
    """With y the normalised x: (grad - mean(grad) - y mean(grad y)) / deviation."""
    x, (mean, variance) = saved
    scale = jax.lax.rsqrt(variance + EPS)
    if _is_narrow(x):
        # Tied together, the gradient is made once for all uses. The sum of grad x in place of grad y lets the compiler
        # take both sums in one pass.
        x, grad = jax.lax.optimization_barrier((x, grad))
        along = scale * ((_wide(grad) * _wide(x)).mean(axis=(1, 2), keepdims=True) - mean * _mean(grad))
    else:
        along = _mean(grad * (_wide(x) - mean) * scale)
    y = (_wide(x) - mean) * scale
    return ((scale * (_wide(grad) - _mean(grad) - y * along)).astype(x.dtype),)


in_few_passes.defvjp(_forward, _backward)


def _statistics_in_one_pass(x: jax.Array) -> Statistics:
    """By the mean of squares, from which float32 loses what matters only below the digits that a 16-bit `x` has."""
    mean = _mean(x)
    return mean, jnp.maximum(jnp.square(_wide(x)).mean(axis=(1, 2), keepdims=True) - jnp.square(mean), 0)


def _mean(x: jax.Array) -> jax.Array:
    return _wide(x).mean(axis=(1, 2), keepdims=True)


def _is_narrow(x: jax.Array) -> bool:
    return x.dtype.itemsize < 4


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
