"""The gradient of a gradient, as a gradient penalty takes it, through each fast form: that of the plain form."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.kernels import convolution, doubling, few_channels, plain, upsampling, winograd
from cyclegan_jax.kernels import instance_norm as norm
from tests.helpers.kernels import ON_CPU, ON_GPU, PLAIN

Convolve = Callable[[jax.Array, jax.Array], jax.Array]


def unpadded(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return plain.convolve(x, kernel, 1, convolution.UNPADDED)


def with_kernels(kernels: Any, **options: Any) -> Convolve:
    return partial(convolution.convolve, kernels=kernels, **options)


def normed(kernels: Any) -> Convolve:
    return lambda x, kernel: norm.instance_norm(unpadded(x, kernel), kernels)


PADDED = ((1, 1), (1, 1))
FORMS: dict[str, tuple[Convolve, Convolve, tuple[int, ...], tuple[int, ...]]] = {
    # The plain form, the fast one, and the shapes of image and kernel.
    "winograd": (unpadded, winograd.convolve, (2, 8, 6, 3), (3, 3, 3, 2)),
    "few inputs": (unpadded, few_channels.convolve, (2, 9, 8, 2), (7, 7, 2, 3)),
    "few outputs": (unpadded, few_channels.convolve, (2, 9, 8, 3), (7, 7, 3, 2)),
    **{
        f"taps, stride {stride}": (
            with_kernels(PLAIN, stride=stride, padding=PADDED),
            with_kernels(ON_CPU, stride=stride, padding=PADDED),
            (2, 8, 7, 3),
            (4, 4, 3, 2),
        )
        for stride in (1, 2)
    },
    **{
        f"doubling, {name}": (
            partial(convolution.convolve_doubling, kernels=PLAIN, before=1),
            partial(convolution.convolve_doubling, kernels=kernels, before=1),
            (2, 4, 5, 3),
            (3, 3, 3, 2),
        )
        for name, kernels in (("cpu", ON_CPU), ("gpu", ON_GPU))
    },
    **{
        f"upsampling, {name}": (
            partial(convolution.convolve_upsampled, kernels=PLAIN),
            function,
            (2, 4, 5, 3),
            (3, 3, 3, 2),
        )
        for name, function in (("cpu", upsampling.convolve_upsampled), ("gpu", doubling.convolve_upsampled))
    },
    "norm": (normed(PLAIN), normed(ON_GPU), (2, 6, 7, 3), (3, 3, 3, 2)),
}


def penalty_gradients(form: Convolve, x: jax.Array, kernel: jax.Array) -> Any:
    """The gradients, with respect to both, of the squared gradient of a curved function of the output."""

    def penalty(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jnp.square(jax.grad(lambda x: jnp.sin(form(x, kernel)).sum())(x)).sum()

    return jax.jit(jax.grad(penalty, (0, 1)))(x, kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", FORMS)
def test_second_derivatives_equal_those_of_the_plain_form(name):
    slow, fast, image, weights = FORMS[name]
    rng = np.random.default_rng(0)
    x, kernel = jnp.asarray(rng.normal(size=image)), jnp.asarray(rng.normal(size=weights))
    expected, found = penalty_gradients(slow, x, kernel), penalty_gradients(fast, x, kernel)
    for one, other in zip(found, expected, strict=True):
        scale = float(jnp.abs(other).max())
        assert scale > 0.1
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11 * scale)


def test_the_norm_for_accelerators_in_bfloat16():
    """Its one-pass statistics have a derivative of their own."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(0.3, 1, (2, 16, 16, 3)), jnp.float32)

    def found(kernels: Any, dtype: Any) -> jax.Array:
        def penalty(x: jax.Array) -> jax.Array:
            score = lambda x: jnp.sin(norm.instance_norm(x.astype(dtype), kernels).astype(jnp.float32)).sum()  # noqa: E731
            return jnp.square(jax.grad(score)(x)).sum()

        return jax.grad(penalty)(x)

    expected = found(PLAIN, jnp.float32)
    errors = [
        float(jnp.sqrt(jnp.square(found(kernels, jnp.bfloat16) - expected).mean())) for kernels in (PLAIN, ON_GPU)
    ]
    assert errors[1] < 1.5 * errors[0] < 0.1 * float(jnp.abs(expected).max()), errors
