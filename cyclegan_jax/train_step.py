"""One training step: (state, batch) -> (state, metrics), pure, for both update orders."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cyclegan_jax import image_pool
from cyclegan_jax.config import Direction, TrainConfig
from cyclegan_jax.data.images import to_model_range
from cyclegan_jax.devices.collectives import Collectives, OneDevice
from cyclegan_jax.image_pool import Draws, ImagePool
from cyclegan_jax.kernels.recompute import Recomputed
from cyclegan_jax.networks.cyclegan import Networks, Params
from cyclegan_jax.objective import Generated, discriminator_objective, generator_objective, l1
from cyclegan_jax.optimizer import learning_rate
from cyclegan_jax.state import TrainState

Batch = dict[str, jax.Array]
"""Images by domain, `A` and `B`: (N, H, W, C) uint8 in [0, 255], or float in [-1, 1]."""
Metrics = dict[str, jax.Array]
"""Scalars by name: every loss term, the totals `generators` and `discriminators`, `learning_rate`, and the mean
absolute differences of G(x) and x, `change_AtoB` and `change_BtoA`, where the domains have as many channels."""
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def make_train_step(
    config: TrainConfig,
    networks: Networks,
    optimizer: optax.GradientTransformation,
    *,
    epoch_images: int,
    spread: Collectives | None = None,
    draw: Callable[[jax.Array, int, int], Draws] = image_pool.draw,
) -> TrainStep:
    """The training step of an experiment, a pure function to be jitted with its state donated.

    The generators run forward once a step, under one `jax.vjp`; the discriminators are updated before or after the
    generators as `config.update_first` says, and either way on images made before the generators' update.

    Args:
        config: the experiment.
        networks: the definitions from `networks.cyclegan.define(config)`.
        optimizer: the direction of descent for both pairs of networks, such as `optimizer.adam(...)`.
        epoch_images: images in the larger domain, for the learning-rate schedule.
        spread: how the batch lies on devices; by default one device holds it all.
        draw: the image pools' random choices; tests script it.
    """
    spread = spread if spread is not None else OneDevice()

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        with jax.default_matmul_precision(config.precision):
            return step_in_precision(state, batch)

    def step_in_precision(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        image_dtype = jnp.promote_types(config.dtype, jnp.float32)
        real_A, real_B = (to_model_range(batch[domain], image_dtype) for domain in ("A", "B"))
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        pool_key_A, pool_key_B, dropout_key = jax.random.split(key, 3)
        dropout_keys = _dropout_keys(dropout_key, spread, len(real_A)) if config.generator.dropout > 0 else None
        rate = learning_rate(
            config.optimizer,
            state.step,
            batch_size=config.batch_size,
            epoch_images=epoch_images,
        )

        def generate(generators: Params) -> Generated:
            return _generate(networks, config, generators, real_A, real_B, dropout_keys)

        generated, pull_back = jax.vjp(generate, state.generators)

        shown_A, pool_A = _from_pool(state.pool_A, generated.fake_A, pool_key_A, draw, spread)
        shown_B, pool_B = _from_pool(state.pool_B, generated.fake_B, pool_key_B, draw, spread)

        def discriminator_loss(discriminators: Params) -> tuple[jax.Array, Metrics]:
            return discriminator_objective(
                networks.judge(discriminators, "A", real_A),
                networks.judge(discriminators, "A", shown_A),
                networks.judge(discriminators, "B", real_B),
                networks.judge(discriminators, "B", shown_B),
                config.loss,
            )

        (d_total, d_terms), d_grads = jax.value_and_grad(discriminator_loss, has_aux=True)(state.discriminators)
        discriminators, discriminator_optimizer = _descend(
            optimizer, spread.mean(d_grads), state.discriminator_optimizer, state.discriminators, rate
        )

        # The gradients of D above are those of the state's D in both orders; what differs is which D the generators
        # are held against.
        judges = discriminators if config.update_first == "discriminators" else state.discriminators

        def generator_loss(generated: Generated) -> tuple[jax.Array, Metrics]:
            scores_A = networks.judge(judges, "A", generated.fake_A)
            scores_B = networks.judge(judges, "B", generated.fake_B)
            return generator_objective(generated, real_A, real_B, scores_A, scores_B, config.loss)

        (g_total, g_terms), cotangents = jax.value_and_grad(generator_loss, has_aux=True)(generated)
        (g_grads,) = pull_back(cotangents)
        generators, generator_optimizer = _descend(
            optimizer, spread.mean(g_grads), state.generator_optimizer, state.generators, rate
        )

        new_state = TrainState(
            step=state.step + 1,
            key=state.key,
            generators=generators,
            discriminators=discriminators,
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
            pool_A=pool_A,
            pool_B=pool_B,
            ema=_average(state.ema, generators, config.ema_decay),
        )
        changes = {}
        if config.data.channels_A == config.data.channels_B:
            changes = {"change_AtoB": l1(generated.fake_B, real_A), "change_BtoA": l1(generated.fake_A, real_B)}
        metrics = spread.mean(g_terms | d_terms | changes | {"generators": g_total, "discriminators": d_total})
        return new_state, metrics | {"learning_rate": rate}

    return train_step


def _generate(
    networks: Networks,
    config: TrainConfig,
    generators: Params,
    real_A: jax.Array,
    real_B: jax.Array,
    dropout_keys: jax.Array | None,
) -> Generated:
    """All generator passes of a step; each has dropout masks of its own."""
    passes = iter(range(6))

    # A whole pass at a time: between the passes nothing but images is kept.
    recomputed = Recomputed() if config.remat else None

    def translate(direction: Direction, images: jax.Array) -> jax.Array:
        number = next(passes)
        keys = None if dropout_keys is None else jax.vmap(jax.random.fold_in, (0, None))(dropout_keys, number)

        def generate(params: Any, images: jax.Array, keys: jax.Array | None) -> jax.Array:
            return networks.generate({direction: params}, direction, images, keys)

        if recomputed:
            return recomputed(generate, generators[direction], images, keys)
        return generate(generators[direction], images, keys)

    fake_B = translate("AtoB", real_A)
    fake_A = translate("BtoA", real_B)
    cycled_A = translate("BtoA", fake_B)
    cycled_B = translate("AtoB", fake_A)
    identity_A = identity_B = None
    if config.loss.identity_weight > 0 and config.loss.identity == "target":
        identity_A, identity_B = translate("BtoA", real_A), translate("AtoB", real_B)
    elif config.loss.identity_weight > 0:
        identity_A, identity_B = fake_B, fake_A
    return Generated(fake_A, fake_B, cycled_A, cycled_B, identity_A, identity_B)


def _from_pool(
    pool: ImagePool | None,
    fakes: jax.Array,
    key: jax.Array,
    draw: Callable[[jax.Array, int, int], Draws],
    spread: Collectives,
) -> tuple[jax.Array, ImagePool | None]:
    """The images to show a discriminator, and the pool after the whole batch, which every device holds alike."""
    if pool is None:
        return fakes, None
    everyone = spread.gather(fakes)
    pool, shown = image_pool.query(pool, everyone, draw(key, len(everyone), len(pool.images)))
    return spread.own_part(shown), pool


def _descend(
    optimizer: optax.GradientTransformation, grads: Params, optimizer_state: Any, params: Params, rate: jax.Array
) -> tuple[Params, Any]:
    directions, optimizer_state = optimizer.update(grads, optimizer_state, params)
    params = jax.tree.map(lambda param, direction: param - rate.astype(param.dtype) * direction, params, directions)
    return params, optimizer_state


def _average(ema: Params | None, generators: Params, decay: float) -> Params | None:
    if ema is None:
        return None
    return jax.tree.map(lambda average, param: decay * average + (1 - decay) * param, ema, generators)


def _dropout_keys(key: jax.Array, spread: Collectives, number: int) -> jax.Array:
    """A key for each image of this device, by the image's place in the global batch."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, spread.indices(number))
