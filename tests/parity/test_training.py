"""The pool and the schedule against the published rules, and ten training steps of each recipe against PyTorch's."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from cyclegan_jax import image_pool, learning_rates, optimizer, state
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.state import TrainState
from tests.helpers.kernels import AS_WIDE, ON_GPU
from tests.helpers.lockstep import (
    RECIPES,
    RUNS,
    STEPS,
    as_draws,
    draws_of_step,
    lockstep_config,
    make_batches,
    make_script,
    make_scripts,
    scripted_step,
)
from tests.parity import reference_training as reference
from tests.parity.exchange import assert_same, nchw
from tests.parity.lockstep_reference import make_reference, with_weights_of

KERNELS = {"paper": ON_GPU, "pytorch_gan": ON_GPU, "simplified": AS_WIDE}
"""The forms in the steps of plain descent, where a wrong scale of a gradient shows; Adam hides it."""


@pytest.mark.parametrize("recipe", RECIPES)
def test_schedule_table(recipe: str) -> None:
    config = dataclasses.replace(RECIPES[recipe]().optimizer, constant_epochs=4, decay_epochs=5)
    factor = reference.lr_factor_official if recipe == "paper" else reference.lr_factor_pytorch_gan
    for epoch in range(9):
        ours = learning_rates.factor(config, epoch * 3, batch_size=1, epoch_images=3)
        assert float(ours) == pytest.approx(factor(epoch, 4, 5), rel=1e-6)


def test_pool_with_a_scripted_sequence() -> None:
    rng = np.random.default_rng(0)
    size, batches, number = 4, 12, 3
    script = make_script(rng, batches * number, size)
    stream = rng.normal(size=(batches, number, 2, 2, 1)).astype(np.float32)
    theirs = reference.ImagePool(size, iter(script[size:]))
    ours = image_pool.empty(size, (2, 2, 1), jnp.dtype(jnp.float32))
    assert ours is not None
    for batch, images in enumerate(stream):
        draws = as_draws(script[batch * number : (batch + 1) * number])
        ours, shown = image_pool.query(ours, jnp.asarray(images), draws)
        expected = np.moveaxis(theirs.query(nchw(images)).numpy(), 1, -1)
        np.testing.assert_array_equal(shown, expected)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("recipe", "kind"), RUNS)
def test_ten_steps_in_lockstep(recipe: str, kind: str) -> None:
    """Compare losses, weights and pools after each of ten steps, with a learning rate that decays on the way."""
    config = lockstep_config(recipe)
    ours = state_after(STEPS, recipe, kind, config, KERNELS[recipe] if kind == "sgd" else None)
    if ours.pool_A is not None:
        # The comparison covers the swaps, which begin once the pools are full.
        assert int(ours.pool_A.filled) == config.pool_size < STEPS * config.batch_size


@pytest.mark.usefixtures("x64")
def test_batch_norm_in_lockstep() -> None:
    """Compare weights and running statistics after each of three steps with batch norm in all networks.

    With statistics of the wrong batches or in another order the running ones differ by 1e-3 and more.
    """
    plain = lockstep_config("paper")
    config = dataclasses.replace(
        plain,
        generator=dataclasses.replace(plain.generator, norm="batch"),
        discriminator=dataclasses.replace(plain.discriminator, norm="batch"),
        remat=True,
    )
    ours = state_after(3, "paper", "sgd", config, None)
    assert not np.allclose(ours.generators["AtoB"]["stem"]["mean"], 0, atol=1e-3)


def state_after(
    steps: int,
    recipe: str,
    kind: str,
    config: TrainConfig,
    kernels: Kernels | None,
    prepare: Callable[[reference.Trainer, TrainConfig, Any], None] = lambda theirs, config, key: None,
) -> TrainState:
    """Our state after some steps, in each of which losses, weights and pools are compared with PyTorch's.

    `prepare` changes the reference, given the config and the data of our run's key.
    """
    batches, scripts = make_batches(config), make_scripts(config)
    theirs = make_reference(recipe, config, kind, scripts)
    transform = optimizer.adam(config.optimizer) if kind == "adam" else optax.identity()
    fresh = jax.jit(lambda: state.create(config, transform))()
    prepare(theirs, config, fresh.key)
    ours = with_weights_of(theirs, fresh)
    one_step = scripted_step(config, transform, kernels, steps)
    for step in range(steps):
        real_A, real_B = batches[step]
        expected = theirs.step(nchw(real_A), nchw(real_B))
        draws = draws_of_step(scripts, step, config.batch_size)
        ours, metrics = one_step(ours, {"A": jnp.asarray(real_A), "B": jnp.asarray(real_B)}, draws)
        for name, value in expected.items():
            assert float(metrics[name]) == pytest.approx(value, rel=1e-8), (step, name)
        assert_same(weights(ours), weights(with_weights_of(theirs, ours)), relative=1e-8, absolute=1e-8, what=f"{step}")
        assert_same_pools(ours, theirs)
    return ours


def weights(ours: TrainState) -> dict[str, Any]:
    return {"generators": ours.generators, "discriminators": ours.discriminators}


def assert_same_pools(ours: TrainState, theirs: reference.Trainer) -> None:
    for domain in "AB":
        pool, stored = getattr(ours, f"pool_{domain}"), getattr(theirs, f"pool_{domain}", None)
        assert (pool is None) == (stored is None)
        if pool is not None and stored is not None:
            expected = np.moveaxis(torch.stack(stored.stored).numpy(), 1, -1)
            np.testing.assert_allclose(pool.images[: len(expected)], expected, rtol=0, atol=1e-8)
