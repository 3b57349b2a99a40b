"""The pool and the schedule against the published rules, and ten training steps of each recipe against PyTorch's."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from jaxtyping import Array, Key

from cyclegan_jax import image_pool, optimizer, recipes, state
from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.image_pool import Draws
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Networks
from cyclegan_jax.state import TrainState
from cyclegan_jax.train_step import Batch, Metrics, make_train_step
from tests.helpers.kernels import AS_WIDE, ON_GPU
from tests.parity import reference_networks as networks
from tests.parity import reference_training as reference
from tests.parity.exchange import assert_same, from_torch, nchw

RECIPES = {"paper": recipes.paper, "pytorch_gan": recipes.pytorch_gan, "simplified": recipes.simplified}
STEPS = 10
EPOCH_IMAGES = 2
KERNELS = {"paper": ON_GPU, "pytorch_gan": ON_GPU, "simplified": AS_WIDE}
"""The kernels for the steps of plain descent, where a wrong scale of a gradient shows; Adam, which hides it, takes the
kernels of the platform."""

Script = list[tuple[bool, int]]
"""For each image, in order: whether a full pool swaps it, and for which stored one."""


@pytest.mark.parametrize("recipe", RECIPES)
def test_schedule_table(recipe: str) -> None:
    config = dataclasses.replace(RECIPES[recipe]().optimizer, constant_epochs=4, decay_epochs=5)
    factor = reference.lr_factor_official if recipe == "paper" else reference.lr_factor_pytorch_gan
    for epoch in range(9):
        rate = optimizer.learning_rate(config, epoch * 3, batch_size=1, epoch_images=3)
        assert float(rate) == pytest.approx(config.learning_rate * factor(epoch, 4, 5), rel=1e-6)


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
@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_ten_steps_in_lockstep(recipe: str, kind: str) -> None:
    """Compare losses, weights and pools after each of ten steps, with a learning rate that decays on the way."""
    config = lockstep_config(recipe)
    number, size = config.batch_size, config.data.image_size
    batches = np.random.default_rng(0).uniform(-1, 1, (STEPS, 2, number, size, size, 3))
    scripts = {
        domain: make_script(np.random.default_rng(seed), STEPS * number, config.pool_size or 1)
        for seed, domain in enumerate("AB")
    }
    theirs = make_reference(recipe, config, kind, scripts)
    transform = optimizer.adam(config.optimizer) if kind == "adam" else optax.identity()
    ours = with_weights_of(theirs, jax.jit(lambda: state.create(config, transform))())
    definitions = cyclegan.define(config, kernels=KERNELS[recipe] if kind == "sgd" else None)
    one_step = scripted_step(config, definitions, transform)
    for step in range(STEPS):
        real_A, real_B = batches[step]
        expected = theirs.step(nchw(real_A), nchw(real_B))
        images = slice(step * number, (step + 1) * number)
        draws = as_draws(scripts["A"][images]), as_draws(scripts["B"][images])
        ours, metrics = one_step(ours, {"A": jnp.asarray(real_A), "B": jnp.asarray(real_B)}, draws)
        for name, value in expected.items():
            assert float(metrics[name]) == pytest.approx(value, rel=1e-8), (step, name)
        assert_same(weights(ours), weights(with_weights_of(theirs, ours)), relative=1e-8, absolute=1e-8, what=f"{step}")
        assert_same_pools(ours, theirs)
    if ours.pool_A is not None:
        # The comparison covers the swaps, which begin once the pools are full.
        assert int(ours.pool_A.filled) == config.pool_size < STEPS * number


def lockstep_config(recipe: str) -> TrainConfig:
    """A recipe with tiny networks, in float64."""
    config = RECIPES[recipe]()
    # Unequal weights, where the recipe has one for each direction, would show an exchange of the two.
    weights = (8.0, 12.0) if recipe == "paper" else (10.0, 10.0)
    return dataclasses.replace(
        config,
        data=DataConfig(image_size=32),
        generator=dataclasses.replace(config.generator, blocks=1, width=4),
        discriminator=dataclasses.replace(config.discriminator, width=4),
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


def scripted_step(config: TrainConfig, definitions: Networks, transform: optax.GradientTransformation) -> Any:
    """Our compiled training step, whose third argument is the draws of pool A and of pool B."""

    def one_step(current: TrainState, batch: Batch, draws: tuple[Draws, Draws]) -> tuple[TrainState, Metrics]:
        # The step asks for A's draws first. It is traced once, so the draws must come from an argument.
        remaining = iter(draws)

        def draw(key: Key[Array, ""], number: int, size: int) -> Draws:
            return next(remaining)

        return make_train_step(config, definitions, transform, epoch_images=EPOCH_IMAGES, draw=draw)(current, batch)

    return jax.jit(one_step)


def make_reference(recipe: str, config: TrainConfig, kind: str, scripts: dict[str, Script]) -> reference.Trainer:
    """The recipe's PyTorch trainer for `config`, with the factor of its schedule for each step."""
    torch.manual_seed(0)
    generator, width, schedule = config.generator, config.discriminator.width, config.optimizer
    formula = reference.lr_factor_official if recipe == "paper" else reference.lr_factor_pytorch_gan
    discriminator = networks.NLayerDiscriminator if recipe == "paper" else networks.PyTorchGANDiscriminator
    options: dict[str, Any] = {
        "kind": kind,
        "learning_rate": schedule.learning_rate,
        "factor": lambda step: formula(
            step * config.batch_size // EPOCH_IMAGES, schedule.constant_epochs, schedule.decay_epochs
        ),
    }
    G_AB, G_BA = (networks.Generator(3, 3, generator.width, generator.blocks, generator.upsample) for _ in range(2))
    D_A, D_B = (discriminator(3, width) for _ in range(2))
    made = (G_AB.double(), G_BA.double()), (D_A.double(), D_B.double())
    if recipe == "simplified":
        return reference.SimplifiedTrainer(*made, **options)
    # A pool reads its script only once it is full.
    pool_A, pool_B = (
        reference.ImagePool(config.pool_size, iter(scripts[domain][config.pool_size :])) for domain in "AB"
    )
    pools = pool_A, pool_B
    if recipe == "pytorch_gan":
        return reference.PyTorchGANTrainer(*made, pools=pools, **options)
    loss = config.loss
    loss_weights = reference.Weights(loss.cycle_weight_A, loss.cycle_weight_B, loss.identity_weight)
    return reference.OfficialTrainer(*made, pools=pools, weights=loss_weights, **options)


def with_weights_of(theirs: reference.Trainer, ours: TrainState) -> TrainState:
    """Our state with the networks' weights of the PyTorch trainer."""
    return ours._replace(
        generators={
            "AtoB": from_torch(theirs.G_AB, ours.generators["AtoB"]),
            "BtoA": from_torch(theirs.G_BA, ours.generators["BtoA"]),
        },
        discriminators={
            "A": from_torch(theirs.D_A, ours.discriminators["A"]),
            "B": from_torch(theirs.D_B, ours.discriminators["B"]),
        },
    )


def weights(ours: TrainState) -> dict[str, Any]:
    return {"generators": ours.generators, "discriminators": ours.discriminators}


def assert_same_pools(ours: TrainState, theirs: reference.Trainer) -> None:
    for domain in "AB":
        pool, stored = getattr(ours, f"pool_{domain}"), getattr(theirs, f"pool_{domain}", None)
        assert (pool is None) == (stored is None)
        if pool is not None and stored is not None:
            expected = np.moveaxis(torch.stack(stored.stored).numpy(), 1, -1)
            np.testing.assert_allclose(pool.images[: len(expected)], expected, rtol=0, atol=1e-8)
