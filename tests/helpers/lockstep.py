"""Ten training steps for a comparison with PyTorch: tiny recipes, batches, and scripted draws of the pools."""

import dataclasses
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array, Float64, Key

from cyclegan_jax import recipes
from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.image_pool import Draws
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Batch, Metrics, make_train_step

RECIPES: Final = {"paper": recipes.paper, "pytorch_gan": recipes.pytorch_gan, "simplified": recipes.simplified}
RUNS: Final = (
    ("paper", "adam"),
    *((recipe, "sgd") for recipe in RECIPES if recipe != "paper"),
    # Adam is one function for all recipes, and its arithmetic is part of the first; the scale of gradients, which it
    # hides, is part of the others.
    pytest.param("paper", "sgd", marks=pytest.mark.slow),
    *(pytest.param(recipe, "adam", marks=pytest.mark.slow) for recipe in RECIPES if recipe != "paper"),
)
"""The recipes and optimizers of the comparisons."""
WIDTH: Final = 2
STEPS: Final = 10
EPOCH_IMAGES: Final = 2

OPTIMISED: Final = {"xla_backend_optimization_level": 1}
"""Overrides the level 0 of `tests/conftest.py`: without it all steps take longer than the compilation that it saves."""

Script = list[tuple[bool, int]]
"""For each image, in order: whether a full pool swaps it, and for which stored one."""


def make_batches(config: TrainConfig) -> Float64[np.ndarray, "steps 2 N H W 3"]:
    """Random images of A and of B for each step."""
    height, width = config.data.crop_size
    return np.random.default_rng(0).uniform(-1, 1, (STEPS, 2, config.batch_size, height, width, 3))


def make_scripts(config: TrainConfig) -> dict[str, Script]:
    """The choices of both pools for all steps, by domain."""
    number = STEPS * config.batch_size
    return {
        domain: make_script(np.random.default_rng(seed), number, config.pool_size or 1)
        for seed, domain in enumerate("AB")
    }


def draws_of_step(scripts: dict[str, Script], step: int, number: int) -> tuple[Draws, Draws]:
    """The draws of pool A and of pool B for the `number` images of a step."""
    images = slice(step * number, (step + 1) * number)
    return as_draws(scripts["A"][images]), as_draws(scripts["B"][images])


def lockstep_config(recipe: str) -> TrainConfig:
    """A recipe with tiny networks, in float64."""
    config = RECIPES[recipe]()
    # Unequal weights, where the recipe has one for each direction, would show an exchange of the two.
    weights = (8.0, 12.0) if recipe == "paper" else (10.0, 10.0)
    return dataclasses.replace(
        config,
        data=DataConfig(image_size=32),
        generator=dataclasses.replace(config.generator, blocks=1, width=WIDTH),
        discriminator=dataclasses.replace(config.discriminator, width=WIDTH),
        loss=dataclasses.replace(
            config.loss, identity_weight=0.5, cycle_weight_A=weights[0], cycle_weight_B=weights[1]
        ),
        # Ten steps of two images are ten epochs of two: three constant, then a decay.
        optimizer=dataclasses.replace(config.optimizer, constant_epochs=3, decay_epochs=7),
        batch_size=2,
        pool_size=5 if config.pool_size else 0,
        dtype="float64",
    )


def make_script(rng: np.random.Generator, number: int, size: int) -> Script:
    """Random choices of a pool of `size` for `number` images in all."""
    return [(bool(rng.random() < 0.5), int(rng.integers(size))) for _ in range(number)]


def as_draws(script: Script) -> Draws:
    return Draws(jnp.array([swap for swap, _ in script]), jnp.array([place for _, place in script], jnp.int32))


def scripted_step(
    config: TrainConfig, transform: optax.GradientTransformation, kernels: Kernels | None, steps: int = STEPS
) -> Any:
    """Our training step, compiled for as many calls, whose third argument is the draws of pool A and of pool B."""
    definitions = cyclegan.define(config, kernels=kernels)

    def one_step(current: TrainState, batch: Batch, draws: tuple[Draws, Draws]) -> tuple[TrainState, Metrics]:
        # The step asks for A's draws first. It is traced once, so the draws must come from an argument.
        remaining = iter(draws)

        def draw(key: Key[Array, ""], number: int, size: int) -> Draws:
            return next(remaining)

        return make_train_step(config, definitions, transform, epoch_images=EPOCH_IMAGES, draw=draw)(current, batch)

    return jax.jit(one_step, compiler_options=OPTIMISED if steps >= STEPS else None)
