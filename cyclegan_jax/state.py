"""The state of training: all arrays that a step changes, as one pytree."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, UInt32

from cyclegan_jax import image_pool, learning_rates
from cyclegan_jax.config import Domain, TrainConfig
from cyclegan_jax.image_pool import ImagePool
from cyclegan_jax.learning_rates import Plateau
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params


def image_dtype(config: TrainConfig) -> jnp.dtype[Any]:
    """The dtype of the images around the networks: float64 where the networks compute in it, otherwise float32.

    bfloat16 networks take and return float32 images, since bfloat16 cannot tell all 8-bit values apart.
    """
    return jnp.promote_types(config.dtype, jnp.float32)


class TrainState(NamedTuple):
    """The state between two training steps. The checkpoints store its arrays by these names.

    Attributes:
        step: the number of finished steps, int32.
        key: the data of a random key; each step derives its own key from it.
        generators: parameters of `AtoB` and `BtoA`.
        discriminators: parameters of `A` and `B`.
        generator_optimizer: optax state for both generators.
        discriminator_optimizer: optax state for both discriminators.
        pool_A: earlier generated images of domain A; None without pools.
        pool_B: earlier generated images of domain B; None without pools.
        ema: exponential moving average of the generators' parameters; None if `ema_decay` is 0.
        plateau: what the learning-rate schedule `plateau` has seen of the scores; None with the others.
    """

    step: Int[Array, ""]
    key: UInt32[Array, "2"]
    generators: Params
    discriminators: Params
    generator_optimizer: Any
    discriminator_optimizer: Any
    pool_A: ImagePool | None
    pool_B: ImagePool | None
    ema: Params | None
    plateau: Plateau | None


def create(
    config: TrainConfig,
    optimizer: optax.GradientTransformation,
    sizes: Mapping[Domain, tuple[int, int]] | None = None,
) -> TrainState:
    """Return the state before the first step: random weights, empty pools, and an average equal to the weights.

    Args:
        config: the experiment.
        optimizer: the same as for `make_train_step`.
        sizes: height and width of each domain's training images; by default, those of `data.image_size`.
    """
    init_key, step_key = jax.random.split(jax.random.key(config.seed))
    params = cyclegan.initialize(config, init_key)
    dtype = image_dtype(config)
    crop = config.data.crop_size
    size_A, size_B = (sizes["A"], sizes["B"]) if sizes is not None else (crop, crop)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=jax.random.key_data(step_key),
        generators=params["generators"],
        discriminators=params["discriminators"],
        generator_optimizer=optimizer.init(params["generators"]),
        discriminator_optimizer=optimizer.init(params["discriminators"]),
        # A generated image has the size of its input, which is an image of the other domain.
        pool_A=image_pool.empty(config.pool_size, (*size_B, config.data.channels_A), dtype),
        pool_B=image_pool.empty(config.pool_size, (*size_A, config.data.channels_B), dtype),
        # A copy, because the step donates the state and JAX cannot donate one buffer twice.
        ema=jax.tree.map(jnp.copy, params["generators"]) if config.ema_decay > 0 else None,
        plateau=learning_rates.fresh_plateau() if config.optimizer.schedule == "plateau" else None,
    )
