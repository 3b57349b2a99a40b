"""A small run with two checkpoints of random arrays, to damage, and what a resume loads of it."""

from pathlib import Path

import jax
import numpy as np

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints.restore import Restored, restore_newest
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from tests.helpers.logs import logged

CONFIG = TrainConfig(
    data=DataConfig(image_size=16, load_size=18),
    generator=GeneratorConfig(blocks=0, width=2),
    discriminator=DiscriminatorConfig(width=2, n_layers=1),
    pool_size=2,
    ema_decay=0.5,
)


def at_step(step: int) -> state.TrainState:
    """A state whose arrays are random and differ from those of every other step."""
    rng = np.random.default_rng(step)
    blank = state.create(CONFIG, optimizer.adam(CONFIG.optimizer))

    def filled(leaf: jax.Array) -> jax.Array:
        high = 100 if leaf.dtype.kind in "iu" else 1
        return jax.numpy.asarray(rng.uniform(0, high, leaf.shape).astype(leaf.dtype))

    return jax.tree.map(filled, blank)._replace(step=jax.numpy.int32(step))


def restored(run: Path) -> tuple[Restored | None, list[str]]:
    with logged() as warnings, CheckpointWriter(run, CONFIG):
        return restore_newest(run, CONFIG, at_step(0)), warnings


def equal(found: Restored | None, step: int) -> bool:
    assert found is not None
    pairs = zip(jax.tree.leaves(found.state), jax.tree.leaves(at_step(step)), strict=True)
    return found.data_position == {"pairs": step} and all(np.array_equal(one, other) for one, other in pairs)
