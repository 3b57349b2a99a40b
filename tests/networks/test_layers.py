"""The convolutions' fast forms against their plain ones, dropout, and the norm's arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.networks import convolution
from cyclegan_jax.networks.layers import dropout, instance_norm

CASES = {
    "3x3": (3, 1, ((1, 1), (1, 1)), 1),
    "3x3 unpadded": (3, 1, ((0, 0), (0, 0)), 1),
    "3x3 stride 2": (3, 2, ((1, 1), (1, 1)), 1),
    "4x4 stride 2": (4, 2, ((1, 1), (1, 1)), 1),
    "4x4 asymmetric": (4, 1, ((2, 1), (2, 1)), 1),
    "3x3 transposed": (3, 1, ((1, 2), (1, 2)), 2),
    "4x4 transposed": (4, 1, ((2, 2), (2, 2)), 2),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [(8, 10), (7, 9)])
def test_weight_gradient_by_taps_equals_the_plain_one(case, size):
    side, stride, pads, dilation = CASES[case]
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, *size, 3)), rng.normal(size=(side, side, 3, 5))

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), pads, (dilation, dilation), dimension_numbers=convolution.NHWC
        )

    def fast(x, kernel):
        return convolution.conv_general_dilated(
            x, kernel, (stride, stride), pads, lhs_dilation=(dilation, dilation), dimension_numbers=convolution.NHWC
        )

    expected, pull_back = jax.vjp(plain, x, kernel)
    value, fast_pull_back = jax.vjp(fast, x, kernel)
    grad = rng.normal(size=expected.shape)
    for one, other in zip((value, *fast_pull_back(grad)), (expected, *pull_back(grad)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    by_taps = convolution.weight_gradient(
        jnp.asarray(x), jnp.asarray(grad), jnp.asarray(kernel), stride, pads, dilation
    )
    np.testing.assert_allclose(by_taps, pull_back(grad)[1], rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [(8, 10), (7, 9), (1, 1)])
def test_folded_upsampling_equals_the_plain_one(size):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, *size, 3)), rng.normal(size=(3, 3, 3, 5))
    options = {"lhs_dilation": (1, 1), "dimension_numbers": convolution.NHWC}

    def plain(x, kernel):
        repeated = convolution.upsample_nearest(jnp.asarray(x))
        return jax.lax.conv_general_dilated(repeated, kernel, (1, 1), ((1, 1), (1, 1)), **options)

    def folded(x, kernel):
        return convolution.conv_of_nearest_upsampled(x, kernel, (1, 1), ((1, 1), (1, 1)), **options)

    expected, pull_back = jax.vjp(plain, x, kernel)
    value, folded_pull_back = jax.vjp(folded, x, kernel)
    grad = rng.normal(size=expected.shape)
    for one, other in zip((value, *folded_pull_back(grad)), (expected, *pull_back(grad)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    # The larger image is nowhere made: nothing but the folded form is compared with the plain one.
    program = str(jax.make_jaxpr(folded)(x, kernel))
    assert jax.default_backend() != "cpu" or "lhs_dilation=(2, 2)" in program


def test_the_fast_form_is_the_one_that_trains_on_cpu():
    # Without this, the comparison above could compare the plain form with itself.
    assert jax.default_backend() != "cpu" or convolution._taps_are_faster((3, 3, 64, 128), 2, 1)
    assert not convolution._taps_are_faster((7, 7, 64, 3), 1, 1)


def test_dropout_keeps_the_mean_and_masks_each_image_by_its_key():
    keys = jax.random.split(jax.random.key(0), 3)
    x = jnp.ones((3, 40, 40, 2))
    dropped = dropout(x, 0.25, keys)
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert float((dropped == 0).mean()) == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / x.size) ** 0.5)
    assert not np.array_equal(dropped[0], dropped[1])
    np.testing.assert_array_equal(dropout(x[1:], 0.25, keys[1:]), dropped[1:])


def test_instance_norm_takes_its_statistics_in_float32():
    # In bfloat16 1000 and 1001 are the same number, and a mean of 4096 of them is lost.
    x = jnp.asarray(np.random.default_rng(0).normal(10, 1, (1, 64, 64, 2)), jnp.bfloat16)
    expected = instance_norm(x.astype(jnp.float32))
    assert instance_norm(x).dtype == jnp.bfloat16
    np.testing.assert_allclose(
        instance_norm(x).astype(jnp.float32), expected, atol=2**-7 * float(jnp.abs(expected).max())
    )
