"""The convolutions' fast forms against their plain ones."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.kernels import convolution, doubling, few_channels, plain, taps, upsampling, winograd
from cyclegan_jax.kernels.choice import Padding
from tests.helpers.kernels import AS_WIDE, ON_CPU, ON_GPU, PLAIN

Convolve = Callable[[jax.Array, jax.Array], jax.Array]

ROUNDING = 1e-12
CASES: dict[str, tuple[int, int, Padding, int]] = {
    "3x3": (3, 1, ((1, 1), (1, 1)), 1),
    "3x3 unpadded": (3, 1, ((0, 0), (0, 0)), 1),
    "3x3 stride 2": (3, 2, ((1, 1), (1, 1)), 1),
    "4x4 stride 2": (4, 2, ((1, 1), (1, 1)), 1),
    "4x4 asymmetric": (4, 1, ((2, 1), (2, 1)), 1),
    "3x3 doubling": (3, 1, ((1, 2), (1, 2)), 2),
    "4x4 doubling": (4, 1, ((2, 2), (2, 2)), 2),
}


def random_arrays(image: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=image)), jnp.asarray(rng.normal(size=kernel))


def assert_equal_both_ways(expected_form: Convolve, form: Convolve, x: jax.Array, kernel: jax.Array) -> None:
    """Values, and gradients of the image and of the kernel, in float64."""
    expected, pull_back = jax.vjp(expected_form, x, kernel)
    value, fast_pull_back = jax.vjp(form, x, kernel)
    grad = jnp.asarray(np.random.default_rng(1).normal(size=expected.shape))
    for one, other in zip((value, *fast_pull_back(grad)), (expected, *pull_back(grad)), strict=True):
        np.testing.assert_allclose(one, other, rtol=ROUNDING, atol=ROUNDING)


def unpadded(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return plain.convolve(x, kernel, 1, convolution.UNPADDED)


def nearest_and_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return plain.convolve(plain.upsample_nearest(x), kernel, 1, ((1, 1), (1, 1)))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [(8, 10), (7, 9)])
def test_weight_gradient_by_taps_equals_the_plain_one(case, size):
    side, stride, padding, dilation = CASES[case]
    x, kernel = random_arrays((2, *size, 3), (side, side, 3, 5))

    def expected(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return plain.convolve(x, kernel, stride, padding, dilation)

    def operation(x: jax.Array, kernel: jax.Array) -> jax.Array:
        if dilation == 2:
            return convolution.convolve_doubling(x, kernel, ON_CPU, before=padding[0][0])
        return convolution.convolve(x, kernel, ON_CPU, stride=stride, padding=padding)

    assert_equal_both_ways(expected, operation, x, kernel)
    value, pull_back = jax.vjp(expected, x, kernel)
    grad = jnp.asarray(np.random.default_rng(1).normal(size=value.shape))
    by_taps = taps.weight_gradient(x, grad, kernel, stride, padding, dilation)
    np.testing.assert_allclose(by_taps, pull_back(grad)[1], rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("side", "before"), [(3, 1), (4, 2)])
@pytest.mark.parametrize("size", [(8, 10), (7, 9), (1, 1)])
def test_doubling_as_a_gradient_equals_the_plain_form(side, before, size):
    x, kernel = random_arrays((2, *size, 3), (side, side, 3, 5))
    plain_form, fast = (partial(convolution.convolve_doubling, kernels=k, before=before) for k in (PLAIN, ON_GPU))
    assert_equal_both_ways(plain_form, fast, x, kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("form", [upsampling, doubling])
@pytest.mark.parametrize("size", [(8, 10), (7, 9), (1, 1)])
def test_upsampling_and_convolution_equal_the_plain_form(form, size):
    x, kernel = random_arrays((2, *size, 3), (3, 3, 3, 5))
    assert_equal_both_ways(nearest_and_conv, form.convolve_upsampled, x, kernel)
    assert_equal_both_ways(nearest_and_conv, partial(convolution.convolve_upsampled, kernels=PLAIN), x, kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [(8, 10), (2, 2)])
def test_winograds_convolution_equals_the_plain_one(size):
    x, kernel = random_arrays((2, size[0] + 2, size[1] + 2, 3), (3, 3, 3, 5))
    assert_equal_both_ways(unpadded, winograd.convolve, x, kernel)
    assert_equal_both_ways(unpadded, partial(convolution.convolve, kernels=AS_WIDE), x, kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("channels", [(3, 7), (7, 3), (5, 1)])
def test_few_channels_convolutions_equal_the_plain_ones(channels):
    x, kernel = random_arrays((2, 12, 11, channels[0]), (7, 7, *channels))
    assert_equal_both_ways(unpadded, few_channels.convolve, x, kernel)


@pytest.mark.parametrize(
    ("expected", "fast", "shape", "side"),
    [
        (unpadded, winograd.convolve, (1, 34, 34, 128), 3),
        (nearest_and_conv, upsampling.convolve_upsampled, (1, 16, 16, 128), 3),
        (unpadded, few_channels.convolve, (1, 38, 38, 3), 7),
    ],
)
def test_other_orders_lose_no_digits_in_float32(expected, fast, shape, side):
    """Compared with the result in float64, their error is of the size of the plain form's own."""
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=shape), rng.normal(size=(side, side, shape[3], 128))
    with jax.enable_x64(True):
        exact = np.asarray(expected(jnp.asarray(x), jnp.asarray(kernel)))
    narrow = jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32)
    errors = [np.sqrt(np.mean((np.asarray(form(*narrow)) - exact) ** 2)) for form in (expected, fast)]
    assert errors[1] < 2 * errors[0] + ROUNDING, errors
