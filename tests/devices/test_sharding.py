"""Eight devices give the numbers of one, under jit and under pmap; and a batch they cannot share is refused."""

import functools
import json
import os
import subprocess
import sys

import jax
import pytest

from cyclegan_jax.devices import sharding
from cyclegan_jax.errors import UserError
from tests.conftest import tiny_config

BOUND = 1e-10


@functools.cache
def differences(optimizer: str) -> dict[str, dict[str, float]]:
    """What `eight_devices.py` prints, from a process that has eight virtual devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
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
def test_eight_devices_equal_one(parallel, optimizer):
    found = differences(optimizer)[parallel]
    assert found["devices"] == 8
    assert found["state"] <= BOUND, found
    assert found["norm_biases"] <= 1e-8, found
    assert found["metrics"] <= BOUND, found
    assert found["several_steps"], found
    # The pools hold images of every device, and the random exchange took place.
    assert found["pool_filled"] == 6
    # What a step that forgets to average would give: the comparison is sharp enough to see it.
    assert found["forgot_to_average"] > 1e3 * BOUND


def test_a_batch_that_devices_cannot_share_is_refused():
    class EightDevices:
        size = 8

    with pytest.raises(UserError, match="batch_size is 12, but it is shared by 8 devices: take a multiple of 8"):
        sharding.check_batch_size(tiny_config(batch_size=12), EightDevices())
    sharding.check_batch_size(tiny_config(batch_size=12), sharding.make_mesh(jax.devices()[:1]))
