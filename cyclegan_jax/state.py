"""Everything that a training step changes, as one pytree of arrays."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cyclegan_jax import image_pool
from cyclegan_jax.config import Domain, TrainConfig
from cyclegan_jax.image_pool import ImagePool
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params


class TrainState(NamedTuple):
    """The state between two training steps.

    Attributes:
        step: () int32, steps done.
        key: (2,) uint32, the data of the random key from which every step folds its own.
        generators: parameters of `AtoB` and `BtoA`.
        discriminators: parameters of `A` and `B`.
        generator_optimizer: optax state over both generators.
        discriminator_optimizer: optax state over both discriminators.
        pool_A: history of generated images of domain A, or None where pools are off.
        pool_B: the same for domain B.
        ema: moving average of the generators' parameters, or None where it is off.
    """

    step: jax.Array
    key: jax.Array
    generators: Params
    discriminators: Params
    generator_optimizer: Any
    discriminator_optimizer: Any
    pool_A: ImagePool | None
    pool_B: ImagePool | None
    ema: Params | None


def create(
    config: TrainConfig,
    optimizer: optax.GradientTransformation,
    sizes: Mapping[Domain, tuple[int, int]] | None = None,
) -> TrainState:
    """The state before the first step: fresh weights, empty pools, the average equal to the weights.

    Args:
        config: the experiment.
        optimizer: what `make_train_step` is given, for both pairs of networks.
        sizes: height and width of each domain's training images, where they are not squares of `data.image_size`.
    """
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    params = cyclegan.initialize(config, init_key)
    dtype = jnp.promote_types(config.dtype, jnp.float32)
    square = (config.data.image_size, config.data.image_size)
    size_A, size_B = (sizes["A"], sizes["B"]) if sizes is not None else (square, square)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=jax.random.key_data(step_key),
        generators=params["generators"],
        discriminators=params["discriminators"],
        generator_optimizer=optimizer.init(params["generators"]),
        discriminator_optimizer=optimizer.init(params["discriminators"]),
        # A generated image has the size of the image of the other domain that it was made from.
        pool_A=image_pool.empty(config.pool_size, (*size_B, config.data.channels_A), dtype),
        pool_B=image_pool.empty(config.pool_size, (*size_A, config.data.channels_B), dtype),
        # A copy: the step donates the state, and one buffer cannot be donated twice.
        ema=jax.tree.map(jnp.copy, params["generators"]) if config.ema_decay > 0 else None,
    )
