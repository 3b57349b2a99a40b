"""The pool and the schedule against the official rules, then whole training steps in lockstep with PyTorch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from cyclegan_jax import image_pool, optimizer, recipes, state
from cyclegan_jax.config import DataConfig
from cyclegan_jax.image_pool import Draws
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.train_step import make_train_step
from tests.helpers.kernels import AS_WIDE, ON_GPU
from tests.parity import reference_networks as networks
from tests.parity import reference_training as reference
from tests.parity.exchange import assert_same, from_torch, nchw

STEPS = 10
EPOCH_IMAGES = 2
KERNELS = {"pytorch_gan": AS_WIDE, "paper": ON_GPU}
"""For the steps of plain descent, where a gradient's error shows in its size; Adam's take the platform's forms."""


@pytest.mark.parametrize("recipe", [recipes.paper, recipes.pytorch_gan])
def test_schedule_table(recipe):
    config = dataclasses.replace(recipe().optimizer, constant_epochs=4, decay_epochs=5)
    factor = reference.lr_factor_official if config.schedule == "official" else reference.lr_factor_pytorch_gan
    for epoch in range(9):
        rate = optimizer.learning_rate(config, epoch * 3, batch_size=1, epoch_images=3)
        assert float(rate) == pytest.approx(config.learning_rate * factor(epoch, 4, 5), rel=1e-6)


def test_pool_with_a_scripted_sequence():
    rng = np.random.default_rng(0)
    size, batches, number = 4, 12, 3
    decisions = [(bool(rng.random() < 0.5), int(rng.integers(size))) for _ in range(batches * number)]
    stream = rng.normal(size=(batches, number, 2, 2, 1)).astype(np.float32)
    theirs = reference.ImagePool(size, iter(decisions[size:]))
    ours = image_pool.empty(size, (2, 2, 1), jnp.float32)
    for batch, images in enumerate(stream):
        swap, index = zip(*decisions[batch * number : (batch + 1) * number], strict=True)
        ours, shown = image_pool.query(ours, jnp.asarray(images), Draws(jnp.array(swap), jnp.array(index, jnp.int32)))
        expected = np.moveaxis(theirs.query(nchw(images)).numpy(), 1, -1)
        np.testing.assert_array_equal(shown, expected)


def scripted_draws(seed: int, number: int, size: int) -> list[tuple[bool, int]]:
    """The exchanges after a pool of `size` is full, for `number` images in all."""
    rng = np.random.default_rng(seed)
    return [(bool(rng.random() < 0.5), int(rng.integers(size))) for _ in range(number)]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize("recipe", ["pytorch_gan", "paper"])
def test_ten_steps_in_lockstep(recipe, kind):
    """Weights, losses and pools after each of ten steps, with a rate that decays on the way."""
    config = lockstep_config(recipe)
    size = config.data.image_size
    rng = np.random.default_rng(0)
    batches = rng.uniform(-1, 1, (STEPS, 2, config.batch_size, size, size, 3))
    pool_size = config.pool_size or 1
    scripts = {domain: scripted_draws(seed, STEPS * config.batch_size, pool_size) for seed, domain in enumerate("AB")}
    theirs = make_reference(config, kind, scripts)

    transform = optimizer.adam(config.optimizer) if kind == "adam" else optax.identity()
    definitions = cyclegan.define(config, kernels=KERNELS[recipe] if kind == "sgd" else None)
    ours = jax.jit(lambda: state.create(config, transform))()
    ours = ours._replace(
        generators={
            "AtoB": from_torch(theirs.G_AB, ours.generators["AtoB"]),
            "BtoA": from_torch(theirs.G_BA, ours.generators["BtoA"]),
        },
        discriminators={
            "A": from_torch(theirs.D_A, ours.discriminators["A"]),
            "B": from_torch(theirs.D_B, ours.discriminators["B"]),
        },
    )

    # The step asks for A's choices, then for B's; it is traced once, so that the script is read from an argument.
    def one_step(ours, batch, draws):
        script = iter(draws)
        step = make_train_step(
            config, definitions, transform, epoch_images=EPOCH_IMAGES, draw=lambda key, number, size: next(script)
        )
        return step(ours, batch)

    one_step = jax.jit(one_step)
    for number in range(STEPS):
        real_A, real_B = batches[number]
        expected = theirs.step(nchw(real_A), nchw(real_B))
        here = slice(number * config.batch_size, (number + 1) * config.batch_size)
        draws = [
            Draws(jnp.array([s for s, _ in scripts[d][here]]), jnp.array([i for _, i in scripts[d][here]], jnp.int32))
            for d in "AB"
        ]
        ours, metrics = one_step(ours, {"A": jnp.asarray(real_A), "B": jnp.asarray(real_B)}, draws)
        for name, value in expected.items():
            assert float(metrics[name]) == pytest.approx(value, rel=1e-8), (number, name)
        for network, params in (
            (theirs.G_AB, ours.generators["AtoB"]),
            (theirs.G_BA, ours.generators["BtoA"]),
            (theirs.D_A, ours.discriminators["A"]),
            (theirs.D_B, ours.discriminators["B"]),
        ):
            assert_same(params, from_torch(network, params), relative=1e-8, absolute=1e-8, what=f"step {number}")
    if config.pool_size:
        assert int(ours.pool_A.filled) == config.pool_size < STEPS * config.batch_size


def make_reference(config, kind, scripts):
    """The PyTorch trainer of a config's recipe, with the factor of its schedule for each step."""
    torch.manual_seed(0)
    generator, discriminator = config.generator, config.discriminator
    generators = tuple(
        networks.Generator(3, 3, generator.width, generator.blocks, generator.upsample).double() for _ in "GF"
    )
    seeds = config.update_first == "discriminators"
    make = networks.SeedDiscriminator if seeds else networks.NLayerDiscriminator
    discriminators = tuple(make(3, discriminator.width).double() for _ in "AB")
    schedule = config.optimizer
    formula = reference.lr_factor_pytorch_gan if seeds else reference.lr_factor_official
    options = {
        "kind": kind,
        "learning_rate": schedule.learning_rate,
        "factor": lambda step: formula(
            step * config.batch_size // EPOCH_IMAGES, schedule.constant_epochs, schedule.decay_epochs
        ),
    }
    if seeds:
        return reference.SeedTrainer(generators, discriminators, **options)
    # A pool asks its script only once it is full.
    pools = tuple(reference.ImagePool(config.pool_size, iter(scripts[d][config.pool_size :])) for d in "AB")
    loss = config.loss
    return reference.OfficialTrainer(
        generators,
        discriminators,
        pools=pools,
        cycle_A=loss.cycle_weight_A,
        cycle_B=loss.cycle_weight_B,
        identity=loss.identity_weight,
        **options,
    )


def lockstep_config(recipe: str):
    config = recipes.paper() if recipe == "paper" else recipes.pytorch_gan()
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
