"""Gradient penalties: terms that keep the slope of a discriminator, as a function of the image, near 0 or near 1.

A slope bounds how fast the discriminators' judgement changes, which keeps its gradients useful to the generators.
"""

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from cyclegan_jax.errors import UserError
from cyclegan_jax.loss_config import Penalty

Images = Float[Array, "N _ _ _"]
Judge = Callable[[Images], Float[Array, "N _ _ 1"]]
"""A discriminator with its parameters: images -> patch scores."""
Terms = dict[str, Float[Array, ""]]
Objective = Callable[[Any], tuple[Float[Array, ""], Terms]]
"""Parameters -> a weighted total, and unweighted terms by name."""

_EPS: Final = 1e-16
"""Added to each component of the gradient, as in the official code: the norm of exactly 0 has no derivative."""


def computes_penalty(update: int | Int[Array, ""], every: int) -> bool | Bool[Array, ""]:
    """Whether an update of the discriminators, counted from 0, computes the penalty: the first of each `every`."""
    return update % every == 0


def added_to(
    grads: Any, objective: Objective, params: Any, update: Int[Array, ""] | int, every: int
) -> tuple[Any, Float[Array, ""], Terms]:
    """Add the gradients of `objective` to `grads` in every n-th update; the others do not compute them.

    Args:
        grads: the gradients of the other losses, like `params`.
        objective: the penalties' part of the loss.
        params: where its gradients are taken.
        update: the number of the update of the discriminators, counted from 0.
        every: n.

    Returns:
        The sum, and what `objective` returns: zeros in the updates that do not compute it.
    """

    def computed(grads: Any) -> tuple[Any, Float[Array, ""], Terms]:
        (total, terms), more = jax.value_and_grad(objective, has_aux=True)(params)
        return jax.tree.map(jnp.add, grads, more), total, terms

    def skipped(grads: Any) -> tuple[Any, Float[Array, ""], Terms]:
        zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), jax.eval_shape(computed, grads))
        return grads, *zeros[1:]

    # The whole derivative is inside: that of a `cond` would keep the activations, or zeros for them, in every step.
    return computed(grads) if every == 1 else jax.lax.cond(computes_penalty(update, every), computed, skipped, grads)


def penalty(judge: Judge, real: Images, fake: Images, keys: Key[Array, " N"], kind: Penalty) -> Float[Array, ""]:
    """Return the penalty of one discriminator, a mean over the images, without its weight.

    * `wgangp` (Gulrajani et al., 2017), as the official code's `cal_gradient_penalty` computes it: (|g| - 1)^2, with g
      the gradient of the sum of the patch scores at a u + (1 - a) v, a random mixture of a real and a generated image.
    * `r1` (Mescheder et al., 2018): |g|^2 at real images, with g the gradient of the mean patch score. Their weight is
      gamma / 2.
    * `mixture`: the same at random mixtures, as in UVCGAN2.

    Args:
        judge: the discriminator. What it says of an image must not depend on the other images.
        real: in [-1, 1], as the discriminator sees them.
        fake: generated ones, likewise.
        keys: one random key per image, for the mixtures.
        kind: which penalty; not `none`.

    Raises:
        UserError: real and generated images are to be mixed, but have different sizes.
    """
    check_sizes(kind, real.shape[1:3], fake.shape[1:3])
    points = real if kind == "r1" else mixtures(real, fake, keys)

    def score(images: Images) -> Float[Array, ""]:
        scores = judge(images)
        return scores.sum() if kind == "wgangp" else scores.mean((1, 2, 3)).sum()

    # Of the sum over the batch: each image's gradient is that of its own score.
    gradients = jax.grad(score)(points).reshape(len(points), -1)
    gradients = gradients.astype(jnp.promote_types(gradients.dtype, jnp.float32))
    if kind != "wgangp":
        return jnp.square(gradients).sum(1).mean()
    norms = jnp.sqrt(jnp.square(gradients + _EPS).sum(1))
    return jnp.square(norms - 1).mean()


def mixtures(real: Images, fake: Images, keys: Key[Array, " N"]) -> Images:
    """Mix each real image with a generated one, in a proportion that is uniform in [0, 1)."""
    share = jax.vmap(lambda key: jax.random.uniform(key, (1, 1, 1), jnp.float32))(keys).astype(real.dtype)
    return share * real + (1 - share) * fake


def check_sizes(kind: Penalty, size: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Check that a penalty can mix images of two heights and widths.

    Raises:
        UserError: it mixes real and generated images, whose size is that of the other domain, and the two differ.
    """
    if kind in ("wgangp", "mixture") and size != other:
        shown = " and ".join(f"{width}x{height}" for height, width in (size, other))
        raise UserError(
            f"the gradient penalty {kind} mixes images of both domains, but their sizes differ ({shown} pixels): "
            "choose loss.gradient_penalty r1, or a data.preprocess that crops"
        )
