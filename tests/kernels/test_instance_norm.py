"""Instance norm: its arithmetic, and its gradient in few passes against the one that JAX derives."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.kernels import instance_norm as norm
from tests.helpers.kernels import ON_CPU, ON_GPU

plain = partial(norm.instance_norm, kernels=ON_CPU)
in_few_passes = partial(norm.instance_norm, kernels=ON_GPU)


@pytest.mark.parametrize("function", [plain, in_few_passes])
def test_statistics_are_taken_in_float32(function):
    # In bfloat16 1000 and 1001 are the same number, and a mean of 4096 of them is lost.
    x = jnp.asarray(np.random.default_rng(0).normal(10, 1, (1, 64, 64, 2)), jnp.bfloat16)
    expected = plain(x.astype(jnp.float32))
    assert function(x).dtype == jnp.bfloat16
    np.testing.assert_allclose(function(x).astype(jnp.float32), expected, atol=2**-7 * float(jnp.abs(expected).max()))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("offset", [0, 100])
def test_few_passes_equal_the_derived_gradient(offset):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(offset, [0.1, 1, 10], (2, 6, 9, 3)))
    value, pull_back = jax.vjp(in_few_passes, x)
    expected, derived = jax.vjp(plain, x)
    grad = jnp.asarray(rng.normal(1, 1, x.shape))
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_allclose(pull_back(grad)[0], derived(grad)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("offset", [0, 1, 30])
def test_few_passes_lose_no_digits_that_bfloat16_has(offset):
    """Their error, compared with float64, is that of the derived gradient, which rounds the same input and result."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(offset, [0.5, 1, 4], (2, 64, 64, 3)), jnp.bfloat16)
    grad = jnp.asarray(rng.normal(0.1, 1, x.shape), jnp.bfloat16)

    def both(function: Any, x: jax.Array, grad: jax.Array) -> list[np.ndarray]:
        value, pull_back = jax.vjp(function, x)
        return [np.asarray(array, np.float64) for array in (value, pull_back(grad)[0])]

    with jax.enable_x64(True):
        exact = both(plain, jnp.asarray(x, jnp.float64), jnp.asarray(grad, jnp.float64))
    derived, few = both(plain, x, grad), both(in_few_passes, x, grad)
    for what, slow, fast in zip(exact, derived, few, strict=True):
        error = np.sqrt(np.mean((slow - what) ** 2)), np.sqrt(np.mean((fast - what) ** 2))
        assert error[1] < 1.05 * error[0], error


def test_a_constant_channel_is_zero_without_a_large_gradient():
    x = jnp.full((1, 16, 16, 1), 3.3, jnp.bfloat16)
    value, pull_back = jax.vjp(in_few_passes, x)
    grad = jnp.asarray(np.random.default_rng(0).normal(size=x.shape), jnp.bfloat16)
    assert float(jnp.abs(value).max()) < 0.01
    # No deviation counts as less than 0.0031, the square root of 1e-5.
    assert float(jnp.abs(pull_back(grad)[0]).max()) < 2 * float(jnp.abs(grad).max()) / 0.0031
