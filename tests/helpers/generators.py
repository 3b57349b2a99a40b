"""Generators without a run, for tests of what is exported."""

import dataclasses
from typing import Any

import jax
import numpy as np

from cyclegan_jax.config import DataConfig
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.networks import cyclegan, weights
from tests.conftest import tiny_config

_ONE_CHANNEL = DataConfig(image_size=24, load_size=26, channels_B=1)


def pretrained(generator: dict[str, Any] | None = None, **changes: Any) -> Pretrained:
    """A generator from RGB to gray of step 7, with random values everywhere; its outputs spread over their range.

    Args:
        generator: changed fields of `GeneratorConfig`.
        changes: changed fields of `TrainConfig`.
    """
    config = tiny_config(**{"data": _ONE_CHANNEL, **changes})
    config = dataclasses.replace(config, generator=dataclasses.replace(config.generator, **(generator or {})))
    shapes = jax.eval_shape(lambda: weights.params(cyclegan.make_generator(config, "AtoB", jax.random.key(0))))
    rng = np.random.default_rng(0)

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if path[-1].key == "kernel":
            return rng.normal(0, np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape).astype(leaf.dtype)
        return rng.uniform(0.1, 0.4, leaf.shape).astype(leaf.dtype)

    return Pretrained(config, "AtoB", 7, jax.tree.map_with_path(draw, shapes))


def ready(generator: dict[str, Any] | None = None, **changes: Any) -> Generator:
    """The generator of `pretrained`, ready to be called."""
    model = pretrained(generator, **changes)
    definition = cyclegan.define_generator(model.config, model.direction)
    return Generator(model.config, model.direction, model.step, definition, model.params)


def images(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random float32 values in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
