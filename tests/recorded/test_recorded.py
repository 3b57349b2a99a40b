"""Networks and training steps against the numbers that PyTorch recorded: on every stack, and on accelerators."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from cyclegan_jax import optimizer, state
from tests.conftest import HAS_TORCH
from tests.helpers.lockstep import (
    RUNS,
    draws_of_step,
    lockstep_config,
    make_batches,
    make_scripts,
    scripted_step,
)
from tests.recorded import record_file
from tests.recorded.record_file import NETWORKS, flatten, fresh_params, unflatten

pytestmark = pytest.mark.usefixtures("x64")

RELATIVE = 1e-8


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_matches_the_record(name: str) -> None:
    """Compare the output, and the gradients of every parameter and of the input."""
    record = record_file.read()
    module = NETWORKS[name].make()
    graphdef = nnx.graphdef(module)
    params = unflatten(record, f"{name}/params", fresh_params(module))
    x = jnp.asarray(NETWORKS[name].input())
    weighting = jnp.asarray(record_file.weighting(record[f"{name}/output"].shape))

    def scalar(params: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        output = nnx.merge(graphdef, params)(x)
        return (output * weighting).sum(), output

    (gradient, input_gradient), output = jax.jit(jax.grad(scalar, argnums=(0, 1), has_aux=True))(params, x)
    _assert_close(output, record[f"{name}/output"], "output")
    _assert_close(input_gradient, record[f"{name}/input_gradient"], "gradient of the input")
    largest = max(np.abs(record[key]).max() for key in record if key.startswith(f"{name}/gradient"))
    for key, values in flatten(f"{name}/gradient", gradient, np.float64).items():
        # A bias before an instance norm has a gradient of exactly zero, of which each side has its own rounding.
        np.testing.assert_allclose(values, record[key], rtol=0, atol=RELATIVE * largest, err_msg=key)


@pytest.mark.skipif(HAS_TORCH, reason="tests/parity compares with PyTorch itself")
@pytest.mark.parametrize(("recipe", "kind"), RUNS)
def test_ten_steps_match_the_recorded_losses(recipe: str, kind: str) -> None:
    record = record_file.read()
    config = lockstep_config(recipe)
    transform = optimizer.adam(config.optimizer) if kind == "adam" else optax.identity()
    current = jax.jit(lambda: state.create(config, transform))()
    start = unflatten(
        record,
        f"{recipe}/params",
        {"generators": current.generators, "discriminators": current.discriminators},
    )
    current = current._replace(**start)
    one_step = scripted_step(config, transform, None)
    scripts = make_scripts(config)
    names = [key.rsplit("/", 1)[1] for key in record if key.startswith(f"{recipe}/{kind}/")]
    assert {"cycle_A", "cycle_B", "gan_AtoB", "gan_BtoA"} <= set(names)
    for step, (real_A, real_B) in enumerate(make_batches(config)):
        batch = {"A": jnp.asarray(real_A), "B": jnp.asarray(real_B)}
        current, metrics = one_step(current, batch, draws_of_step(scripts, step, config.batch_size))
        for name in names:
            expected = record[f"{recipe}/{kind}/{name}"][step]
            assert float(metrics[name]) == pytest.approx(expected, rel=RELATIVE), (step, name)


def _assert_close(ours: jax.Array, theirs: np.ndarray, what: str) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=RELATIVE * np.abs(theirs).max(), err_msg=what)
