"""Eight devices compute the numbers of one, under jit and under pmap; a batch that they cannot share is an error."""

import functools
import json
import os
import subprocess
import sys

import jax
import pytest
from jax.sharding import AbstractMesh

from cyclegan_jax.devices.mesh import AXIS, check_batch_size, make_mesh
from cyclegan_jax.errors import UserError
from tests.conftest import tiny_config

BOUND = 1e-10


@functools.cache
def differences(optimizer: str) -> dict[str, dict[str, float]]:
    """Run `eight_devices.py` in a process with eight virtual devices, and return what it prints."""
    # Optimised programs: the steps take longer than the compilation that level 0 of conftest.py saves.
    flags = "--xla_backend_optimization_level=1 --xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.devices.eight_devices", optimizer],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=pytest.mark.slow)])
@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_eight_devices_equal_one(parallel, optimizer) -> None:
    found = differences(optimizer)[parallel]
    assert found["devices"] == 8
    assert found["state"] <= BOUND, found
    assert found["norm_biases"] <= 1e-8, found
    assert found["metrics"] <= BOUND, found
    assert found["several_steps"], found
    # The pools hold images of every device, and the random exchange took place.
    assert found["pool_filled"] == 6


@pytest.mark.slow
def test_the_comparison_detects_a_step_that_does_not_average_the_gradients() -> None:
    assert differences("adam")["jit"]["forgot_to_average"] > 1e3 * BOUND


@pytest.mark.slow
def test_the_pmap_form_is_the_program_of_jax_pmap() -> None:
    found = differences("adam")["pmap"]
    assert found["differs_from_jax_pmap"] == 0
    assert found["operations"] > 1000
    assert found["other_operations"] <= 0.001 * found["operations"], found


def test_a_batch_that_the_devices_cannot_share() -> None:
    eight = AbstractMesh((8,), (AXIS,))
    with pytest.raises(UserError, match=r"batch_size is 12, but 8 devices share it: .* a multiple of 8"):
        check_batch_size(tiny_config(batch_size=12), eight)
    check_batch_size(tiny_config(batch_size=12), make_mesh(jax.devices()[:1]))
