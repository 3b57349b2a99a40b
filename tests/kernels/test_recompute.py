"""Recomputed activations: the same values and gradients in less memory."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.config import Direction, GeneratorConfig
from cyclegan_jax.kernels.recompute import Recomputed
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from tests.conftest import tiny_config


def planned_bytes(compiled: jax.stages.Compiled) -> int:
    """Memory that XLA plans for everything between arguments and results."""
    analysis: Any = compiled.memory_analysis()
    return int(analysis.temp_size_in_bytes)


@pytest.mark.usefixtures("x64")
def test_a_cycle_is_the_same_in_less_memory():
    config = tiny_config(dtype="float64", generator=GeneratorConfig(blocks=1, width=4, dropout=0.5))
    networks = cyclegan.define(config)
    params = state.create(config, optimizer.adam(config.optimizer)).generators
    images = jax.random.uniform(jax.random.key(0), (1, 32, 32, 3), jnp.float64, -1, 1)
    keys = jax.random.split(jax.random.key(1), 1)

    def there_and_back(params: Any, images: jax.Array, remat: bool) -> jax.Array:
        recomputed = Recomputed()
        directions: tuple[Direction, ...] = ("AtoB", "BtoA", "AtoB", "BtoA")
        for direction in directions:

            def generate(params: Any, x: jax.Array, keys: jax.Array | None, to: Direction = direction) -> jax.Array:
                return networks.generate({to: params}, to, x, keys)

            if remat:
                images = recomputed(generate, params[direction], images, keys)
            else:
                images = generate(params[direction], images, keys)
        return (images**2).sum()

    results, memory = [], []
    for remat in (False, True):
        compiled = (
            jax.jit(jax.value_and_grad(partial(there_and_back, remat=remat), (0, 1))).lower(params, images).compile()
        )
        memory.append(planned_bytes(compiled))
        results.append(compiled(params, images))
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert memory[1] < 0.6 * memory[0], memory


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_a_step_is_the_same_step_in_less_memory():
    results, memory = [], []
    for remat in (False, True):
        config = tiny_config(remat=remat, dtype="float64", generator=GeneratorConfig(blocks=1, width=4, dropout=0.5))
        transform = optimizer.adam(config.optimizer)
        step = make_train_step(config, cyclegan.define(config), transform, epoch_images=4)
        current = jax.jit(lambda config=config, transform=transform: state.create(config, transform))()
        rng = np.random.default_rng(0)
        batch = {domain: rng.integers(0, 256, (1, 24, 24, 3), dtype=np.uint8) for domain in "AB"}
        compiled = jax.jit(step).lower(current, batch).compile()
        memory.append(planned_bytes(compiled))
        results.append(compiled(current, batch))
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert memory[1] < 0.7 * memory[0], memory
