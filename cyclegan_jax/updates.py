"""The two updates of a training step: from the gradients of a loss to new parameters, in the steps that make one."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from cyclegan_jax import optimizer as optimizer_lib
from cyclegan_jax.config import OptimizerConfig
from cyclegan_jax.image_pool import ImagePool
from cyclegan_jax.networks.batch_norm import Statistics
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.objective import Terms
from cyclegan_jax.optimizer import Rates

Passes = Mapping[str, list[Statistics]]
"""The statistics of a network's passes, in order, by the network's name."""


class Gradients(NamedTuple):
    """The gradients of a loss with respect to both generators, or both discriminators, and what it consists of.

    `passes` are those of the discriminators, which either loss needs.
    """

    grads: Params
    total: Float[Array, ""]
    terms: Terms
    passes: Passes


class Updated(NamedTuple):
    """Both generators, or both discriminators, after their update, with the loss that they descended.

    `passes` are those of the discriminators; `norm` is that of the gradients where they are clipped, otherwise None.
    """

    params: Params
    optimizer_state: Any
    total: Float[Array, ""]
    terms: Terms
    passes: Passes
    norm: Float[Array, ""] | None


class Keys(NamedTuple):
    """The random keys of a step; from `step` are drawn those that have no field."""

    pool_A: Key[Array, ""]
    pool_B: Key[Array, ""]
    dropout: Key[Array, ""]
    step: Key[Array, ""]


class Work(NamedTuple):
    """What a step computes from its batch.

    Attributes:
        generators: their update.
        discriminators: their update.
        pools: those of A and of B after the step.
        fakes: the generated images of A and of B.
        made: the generators' passes.
    """

    generators: Updated
    discriminators: Updated
    pools: tuple[ImagePool | None, ImagePool | None]
    fakes: tuple[Float[Array, "*parts N _ _ _"], Float[Array, "*parts N _ _ _"]]
    made: Passes


def descend(
    found: Gradients,
    optimizer: optax.GradientTransformation,
    optimizer_state: Any,
    params: Params,
    rate: Float[Array, ""],
    config: OptimizerConfig,
) -> Updated:
    """Clip the gradients where the config says so, and take an optimizer step.

    Args:
        found: the gradients of the global batch.
        optimizer: a gradient transformation without a learning rate.
        optimizer_state: its state.
        params: the parameters before.
        rate: the learning rate.
        config: how to clip.
    """
    grads, norm = found.grads, None
    if config.clip > 0:
        grads, norm = optimizer_lib.clipped(grads, config.clip)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
    params = jax.tree.map(lambda param, update: param - rate.astype(param.dtype) * update, params, updates)
    return Updated(params, optimizer_state, found.total, found.terms, found.passes, norm)


def updates_discriminators(step: Int[Array, ""] | int, number: int) -> Bool[Array, ""] | bool:
    """Return whether the step after `step` finished ones updates the discriminators: each `number`-th, from 1."""
    return (step + 1) % number == 0


def number_of(step: Int[Array, ""] | int, number: int) -> Int[Array, ""] | int:
    """Return how many updates there were before that of `step`, of which each `number`-th step makes one."""
    return step if number == 1 else step // number


def every(
    number: int, step: Int[Array, ""], update: Callable[[], Updated], params: Params, optimizer_state: Any
) -> Updated:
    """Return `update()` in each `number`-th step, and the parameters and optimizer state as they are in the others.

    The others do not compute the update. Their losses are not known: all other numbers of the result are NaN.
    """
    if number == 1:
        return update()
    losses = jax.eval_shape(update)._replace(params=None, optimizer_state=None)
    unknown = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), losses)
    skipped = unknown._replace(params=params, optimizer_state=optimizer_state)
    return jax.lax.cond(updates_discriminators(step, number), update, lambda: skipped)


def metrics(rates: Rates, generators: Updated, discriminators: Updated) -> dict[str, Float[Array, ""]]:
    """Return the learning rates, and the norms of clipped gradients, by the names of `train_step.Metrics`."""
    found = {"learning_rate": rates.generators}
    if rates.discriminators is not rates.generators:
        found["discriminator_learning_rate"] = rates.discriminators
    norms = {"generators": generators.norm, "discriminators": discriminators.norm}
    return found | {f"gradient_norm_{name}": norm for name, norm in norms.items() if norm is not None}
