"""A step in parts computes what a step with the larger batch does, in less memory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cyclegan_jax import optimizer, state
from cyclegan_jax.config import (
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    OptimizerConfig,
    TrainConfig,
)
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Batch, make_train_step
from tests.conftest import tiny_config
from tests.helpers.biases import bias_feeds_norm

PARTS = 3
STEPS = 2
SIZE = 12


def config_for(update_first: Any, accumulate: int) -> TrainConfig:
    # Dropout draws by an image's place in the whole batch; the pool is full within the first step.
    return tiny_config(
        data=DataConfig(image_size=SIZE),
        generator=GeneratorConfig(blocks=1, width=2, dropout=0.5),
        discriminator=DiscriminatorConfig(n_layers=1, width=2),
        optimizer=OptimizerConfig(constant_epochs=1, decay_epochs=2, clip=0.5),
        batch_size=PARTS // accumulate,
        accumulate=accumulate,
        update_first=update_first,
        pool_size=2,
        ema_decay=0.9,
        dtype="float64",
    )


def trained(config: TrainConfig, start: TrainState | None = None) -> tuple[TrainState, dict[str, float], int]:
    """The state and the metrics after some steps, and the bytes that a step needs beside its arguments."""
    transform = optimizer.adam(config.optimizer)
    step = make_train_step(config, cyclegan.define(config), transform, epoch_images=PARTS)
    current = jax.jit(lambda: state.create(config, transform))() if start is None else start
    rng = np.random.default_rng(0)
    batches: list[Batch] = []
    for _ in range(STEPS):
        images = {domain: rng.integers(0, 256, (PARTS, SIZE, SIZE, 3), dtype=np.uint8) for domain in "AB"}
        if config.accumulate > 1:
            images = {name: each.reshape(PARTS, 1, *each.shape[1:]) for name, each in images.items()}
        batches.append({name: jnp.asarray(each) for name, each in images.items()})
    compiled = jax.jit(step).lower(current, batches[0]).compile()
    metrics: Any = {}
    for batch in batches:
        current, metrics = compiled(current, batch)
    analysis: Any = compiled.memory_analysis()
    return current, {name: float(value) for name, value in metrics.items()}, analysis.temp_size_in_bytes


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("update_first", ["generators", pytest.param("discriminators", marks=pytest.mark.slow)])
def test_parts_equal_the_larger_batch(update_first: str) -> None:
    """Weights, moments, pools, average, losses and norms; a wrong mean, key or draw differs by 1e-4 and more."""
    whole, metrics, needed = trained(config_for(update_first, 1))
    parts, metrics_of_parts, needed_by_parts = trained(config_for(update_first, PARTS))
    for (path, one), other in zip(jax.tree.leaves_with_path(whole), jax.tree.leaves(parts), strict=True):
        # Adam's sign of a gradient of exactly zero is that of its rounding.
        keys = tuple(entry for entry in path if hasattr(entry, "key"))
        bound = 1e-8 if keys and bias_feeds_norm(keys) else 1e-10
        np.testing.assert_allclose(other, one, rtol=0, atol=bound, err_msg=jax.tree_util.keystr(path))
    assert metrics_of_parts == pytest.approx(metrics, rel=1e-10)
    assert whole.pool_A is not None and int(whole.pool_A.filled) == 2
    assert needed_by_parts < 0.6 * needed, (needed_by_parts, needed)
