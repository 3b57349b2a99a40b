"""The training step lowers for the accelerators that are not at hand. It has not been run on a TPU."""

from typing import Literal

import jax
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from tests.conftest import tiny_config

EXPORTED = {"cpu": "cpu", "gpu": "cuda", "tpu": "tpu"}
"""JAX's names for the same platforms in an exported program."""


def exported_step(platform: Literal["cpu", "gpu", "tpu"], dtype: str) -> jax.export.Exported:
    config = tiny_config(dtype=dtype, batch_size=2)
    transform = optimizer.adam(config.optimizer)
    step = make_train_step(
        config, cyclegan.define(config, kernels=Kernels.for_platform(platform)), transform, epoch_images=4
    )
    current = jax.eval_shape(lambda: state.create(config, transform))
    batch = {domain: jax.ShapeDtypeStruct((2, 24, 24, 3), np.uint8) for domain in "AB"}
    return jax.export.export(jax.jit(step, donate_argnums=0), platforms=[EXPORTED[platform]])(current, batch)


@pytest.mark.parametrize(("platform", "dtype"), [("tpu", "bfloat16"), ("gpu", "float32")])
def test_the_step_lowers_for(platform, dtype):
    on_cpu = exported_step("cpu", "float32")
    exported = exported_step(platform, dtype)
    assert exported.platforms == (EXPORTED[platform],)
    assert [leaf.dtype for leaf in exported.out_avals] == [leaf.dtype for leaf in on_cpu.out_avals]
    # There every convolution is one, in the type asked for; the forms that replace some are for CPU.
    number = {
        name: each.mlir_module().count("stablehlo.convolution")
        for name, each in (("cpu", on_cpu), (platform, exported))
    }
    assert number[platform] > number["cpu"], number
    assert ("bf16" in exported.mlir_module()) == (dtype == "bfloat16")
