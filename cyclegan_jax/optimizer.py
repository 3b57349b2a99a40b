"""Adam with its weight decay, the clipping of gradients, and the learning rates of a step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from cyclegan_jax import learning_rates
from cyclegan_jax.config import OptimizerConfig, TrainConfig
from cyclegan_jax.learning_rates import Plateau
from cyclegan_jax.networks import batch_norm

_CLIP_EPSILON = 1e-6
"""PyTorch adds this to the norm that it divides by."""


def adam(config: OptimizerConfig) -> optax.GradientTransformation:
    """Return Adam without a learning rate; the training step scales its updates by minus the rate.

    The training step computes the rate from its own step counter, so no second counter can disagree with it. Its state
    is that of plain Adam whatever the weight decay, which a resumed run may therefore change.
    """
    plain = optax.scale_by_adam(b1=config.beta1, b2=config.beta2, eps=config.eps)
    if config.weight_decay == 0:
        return plain

    def decayed(grads: Any, params: Any) -> Any:
        """Add the decay of the parameters, but not of batch norm's running statistics, which nothing descends."""
        return jax.tree.map_with_path(
            lambda path, grad, param: (
                grad if batch_norm.is_statistic(path) else grad + config.weight_decay * param.astype(grad.dtype)
            ),
            grads,
            params,
        )

    def update(updates: Any, state: Any, params: Any = None, **_: Any) -> tuple[Any, Any]:
        if config.kind == "adam":
            return plain.update(decayed(updates, params), state, params)
        updates, state = plain.update(updates, state, params)
        # The step multiplies both by the rate, as AdamW does.
        return decayed(updates, params), state

    return optax.GradientTransformation(plain.init, update)


def clipped(grads: Any, largest: float) -> tuple[Any, Float[Array, ""]]:
    """Scale gradients down to a global norm of at most `largest`, as `torch.nn.utils.clip_grad_norm_`.

    Returns:
        The gradients, and their norm before.
    """
    norm = jnp.sqrt(sum(jnp.square(grad).sum() for grad in jax.tree.leaves(grads)))
    scale = jnp.minimum(1.0, largest / (norm + _CLIP_EPSILON))
    return jax.tree.map(lambda grad: grad * scale.astype(grad.dtype), grads), norm


class Rates(NamedTuple):
    """The learning rates of a step; they are one array where the config has one rate."""

    generators: Float[Array, ""]
    discriminators: Float[Array, ""]


def rates(
    config: TrainConfig, step: Int[Array, ""] | int, *, epoch_images: int, plateau: Plateau | None = None
) -> Rates:
    """Return the learning rates of a step, see `learning_rates.factor`."""
    chosen = config.optimizer
    factor = learning_rates.factor(
        chosen, step, batch_size=config.pairs_per_step, epoch_images=epoch_images, plateau=plateau
    )
    generators = chosen.learning_rate * factor
    own = chosen.discriminator_learning_rate
    return Rates(generators, generators if own is None else own * factor)
