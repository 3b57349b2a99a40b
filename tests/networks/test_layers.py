"""The convolutions' fast forms against their plain ones, and dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from cyclegan_jax.kernels import convolution, upsampling, winograd
from cyclegan_jax.kernels import doubling as transposed
from cyclegan_jax.kernels import few_channels as thin
from cyclegan_jax.networks.layers import dropout

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

    plain = plain_form(stride, pads, dilation)

    def fast(x, kernel):
        return convolution.conv_general_dilated(
            x, kernel, (stride, stride), pads, lhs_dilation=(dilation, dilation), dimension_numbers=convolution.NHWC
        )

    assert_equal_both_ways(plain, fast, x, kernel)
    expected, pull_back = jax.vjp(plain, x, kernel)
    grad = rng.normal(size=expected.shape)
    by_taps = convolution.weight_gradient(
        jnp.asarray(x), jnp.asarray(grad), jnp.asarray(kernel), stride, pads, dilation
    )
    np.testing.assert_allclose(by_taps, pull_back(grad)[1], rtol=1e-12, atol=1e-12)


def plain_form(stride, pads, dilation):
    return lambda x, kernel: jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, (dilation, dilation), dimension_numbers=convolution.NHWC
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("case", ["3x3 transposed", "4x4 transposed"])
@pytest.mark.parametrize("size", [(8, 10), (7, 9), (1, 1)])
def test_doubling_as_the_gradient_of_halving_equals_the_plain_form(case, size):
    side, stride, pads, dilation = CASES[case]
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, *size, 3)), rng.normal(size=(side, side, 3, 5))
    before = pads[0][0]
    assert_equal_both_ways(
        plain_form(stride, pads, dilation), lambda x, kernel: transposed.conv_doubling(x, kernel, before), x, kernel
    )


def assert_equal_both_ways(plain, fast, x, kernel):
    """Values, and gradients of the image and of the kernel, in float64."""
    expected, pull_back = jax.vjp(plain, x, kernel)
    value, fast_pull_back = jax.vjp(fast, x, kernel)
    grad = np.random.default_rng(1).normal(size=expected.shape)
    for one, other in zip((value, *fast_pull_back(grad)), (expected, *pull_back(grad)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def unpadded(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=convolution.NHWC)


def nearest_and_conv(x, kernel):
    repeated = convolution.upsample_nearest(jnp.asarray(x))
    return jax.lax.conv_general_dilated(repeated, kernel, (1, 1), "SAME", dimension_numbers=convolution.NHWC)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("form", [upsampling, transposed])
@pytest.mark.parametrize("size", [(8, 10), (7, 9), (1, 1)])
def test_upsampling_with_its_convolution_equals_the_plain_form(form, size):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, *size, 3)), rng.normal(size=(3, 3, 3, 5))
    assert_equal_both_ways(nearest_and_conv, form.conv3x3_of_upsampled, x, kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [(8, 10), (2, 2)])
def test_winograds_convolution_equals_the_plain_one(size):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, size[0] + 2, size[1] + 2, 3)), rng.normal(size=(3, 3, 3, 5))
    assert_equal_both_ways(unpadded, winograd.conv3x3, x, kernel)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("channels", [(3, 7), (7, 3), (5, 1)])
def test_thin_convolutions_equal_the_plain_ones(channels):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 12, 11, channels[0])), rng.normal(size=(7, 7, *channels))
    assert_equal_both_ways(unpadded, thin.conv_thin, x, kernel)


@pytest.mark.parametrize(
    ("plain", "fast", "shape", "side"),
    [
        (unpadded, winograd.conv3x3, (1, 34, 34, 128), 3),
        (nearest_and_conv, upsampling.conv3x3_of_upsampled, (1, 16, 16, 128), 3),
        (unpadded, thin.conv_thin, (1, 38, 38, 3), 7),
    ],
)
def test_other_orders_lose_no_digits_in_float32(plain, fast, shape, side):
    """Beside the result in float64 their error is of the size of the plain form's own."""
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=shape), rng.normal(size=(side, side, shape[3], 128))
    with jax.enable_x64(True):
        exact = np.asarray(plain(jnp.asarray(x), jnp.asarray(kernel)))
    narrow = jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32)
    errors = [np.sqrt(np.mean((np.asarray(form(*narrow)) - exact) ** 2)) for form in (plain, fast)]
    assert errors[1] < 2 * errors[0] + 1e-12, errors


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the other forms are for CPU")
def test_which_form_trains_on_cpu():
    """Without this, the comparisons above could be of forms that nothing uses."""
    options = {"padding": ((0, 0), (0, 0)), "lhs_dilation": (1, 1), "dimension_numbers": convolution.NHWC}

    def convolves(function, x, kernel, dtype="float32", **changes):
        shapes = jax.ShapeDtypeStruct(x, dtype), jax.ShapeDtypeStruct(kernel, dtype)
        program = jax.make_jaxpr(lambda x, kernel: function(x, kernel, (1, 1), **options | changes))(*shapes)
        return "conv_general_dilated" in str(program)

    conv, upsampled = convolution.conv_general_dilated, convolution.conv_of_nearest_upsampled
    assert not convolves(conv, (1, 34, 34, 256), (3, 3, 256, 256))
    assert not convolves(conv, (1, 38, 38, 64), (7, 7, 64, 3))
    assert not convolves(upsampled, (1, 16, 16, 64), (3, 3, 64, 32))
    # Too few channels or pixels, odd sides, padding, sums in a type of few digits: left as they are.
    assert convolves(conv, (1, 34, 34, 64), (3, 3, 64, 64))
    assert convolves(conv, (1, 10, 10, 256), (3, 3, 256, 256))
    assert convolves(conv, (1, 35, 34, 256), (3, 3, 256, 256))
    assert convolves(conv, (1, 32, 32, 256), (3, 3, 256, 256), padding=((1, 1), (1, 1)))
    assert convolves(conv, (1, 34, 34, 256), (3, 3, 256, 256), dtype="bfloat16")
    assert convolves(upsampled, (1, 16, 16, 64), (3, 3, 64, 32), dtype="bfloat16", padding=((1, 1), (1, 1)))
    assert convolution._taps_are_faster((3, 3, 64, 128), 2, 1)
    assert not convolution._taps_are_faster((7, 7, 64, 3), 1, 1)


@pytest.mark.parametrize("function", [convolution.conv_general_dilated, convolution.conv_of_nearest_upsampled])
def test_which_form_doubles_on_gpu(function, monkeypatch):
    """No convolution there has zeros between its input's pixels but one by a mirrored kernel, which cuDNN knows."""
    arrays = jnp.ones((1, 6, 6, 4)), jnp.ones((3, 3, 4, 2))
    pads = ((1, 2), (1, 2)) if function is convolution.conv_general_dilated else ((1, 1), (1, 1))
    dilation = (2, 2) if function is convolution.conv_general_dilated else (1, 1)

    def convolutions(backend):
        monkeypatch.setattr(jax, "default_backend", lambda: backend)

        def total(x, kernel):
            y = function(
                x, kernel, (1, 1), pads, lhs_dilation=dilation, rhs_dilation=(1, 1), dimension_numbers=convolution.NHWC
            )
            return jnp.sum(jnp.sin(y))

        program = jax.make_jaxpr(jax.grad(total, argnums=(0, 1)))(*arrays)
        made_by = {var: eqn.primitive.name for eqn in equations(program.jaxpr) for var in eqn.outvars}
        return [
            (eqn.params["lhs_dilation"], made_by.get(eqn.invars[1]), eqn.outvars[0].aval.shape)
            for eqn in equations(program.jaxpr)
            if eqn.primitive.name == "conv_general_dilated"
        ]

    doubling = [(kernel, shape) for spread, kernel, shape in convolutions("gpu") if spread == (2, 2)]
    assert doubling == [("rev", (1, 12, 12, 2))]
    # Elsewhere, as on a TPU, it is what is written.
    assert convolutions("tpu") != convolutions("gpu")


def equations(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in jaxprs_in_params(eqn.params):
            yield from equations(inner)


def test_dropout_keeps_the_mean_and_masks_each_image_by_its_key():
    keys = jax.random.split(jax.random.key(0), 3)
    x = jnp.ones((3, 40, 40, 2))
    dropped = dropout(x, 0.25, keys)
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert float((dropped == 0).mean()) == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / x.size) ** 0.5)
    assert not np.array_equal(dropped[0], dropped[1])
    np.testing.assert_array_equal(dropout(x[1:], 0.25, keys[1:]), dropped[1:])
