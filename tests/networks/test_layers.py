"""Dropout, and the type of a convolution's arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax.networks.layers import Conv, dropout
from tests.helpers.kernels import ON_CPU


def test_dropout_keeps_the_mean_and_masks_by_each_images_key():
    keys = jax.random.split(jax.random.key(0), 3)
    x = jnp.ones((3, 40, 40, 2))
    dropped = dropout(x, 0.25, keys)
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert float((dropped == 0).mean()) == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / x.size) ** 0.5)
    assert not np.array_equal(dropped[0], dropped[1])
    np.testing.assert_array_equal(dropout(x[1:], 0.25, keys[1:]), dropped[1:])


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_convolution_adds_its_bias_in_its_own_type(dtype):
    layer = Conv(3, 2, 3, padding=1, dtype=jnp.dtype(dtype), kernels=ON_CPU)
    assert layer.bias is not None
    assert {layer.kernel.dtype.name, layer.bias.dtype.name} == {"float32"}
    layer.bias[...] = jnp.array([1.0, -2.0])
    output = layer(jnp.ones((1, 4, 5, 3)))
    assert output.dtype == dtype
    np.testing.assert_array_equal(output, np.broadcast_to(np.array([1, -2], output.dtype), (1, 4, 5, 2)))
