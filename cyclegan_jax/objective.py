"""The objective of CycleGAN (paper, section 3): adversarial, cycle-consistency and identity losses, and their total."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from cyclegan_jax.config import LossConfig


class Generated(NamedTuple):
    """What the generators make of one batch: (N, H, W, C) images in [-1, 1].

    Attributes:
        fake_A: BtoA of the real B.
        fake_B: AtoB of the real A.
        cycled_A: BtoA of fake_B, which should be the real A again.
        cycled_B: AtoB of fake_A, which should be the real B again.
        identity_A: what should equal the real A by the identity loss, or None where that loss is off. With
            `identity="target"` BtoA of the real A; with `"input"` it is fake_B, held against the image it was made of.
        identity_B: the same for the real B.
    """

    fake_A: jax.Array
    fake_B: jax.Array
    cycled_A: jax.Array
    cycled_B: jax.Array
    identity_A: jax.Array | None
    identity_B: jax.Array | None


def least_squares(scores: jax.Array, target: float) -> jax.Array:
    """LSGAN's loss: the mean squared distance of patch scores of any shape from 1 (real) or 0 (generated).

    Paper, section 4: a least-squares loss in place of the log likelihood. A scalar, float32 at least.
    """
    return jnp.square(_wide(scores) - target).mean()


def l1(x: jax.Array, y: jax.Array) -> jax.Array:
    """The mean absolute difference of two arrays of one shape: a scalar, float32 at least."""
    return jnp.abs(_wide(x) - _wide(y)).mean()


def generator_objective(
    generated: Generated,
    real_A: jax.Array,
    real_B: jax.Array,
    scores_A: jax.Array,
    scores_B: jax.Array,
    config: LossConfig,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """What both generators minimise together.

    Args:
        generated: the generators' images.
        real_A: (N, H, W, C) in [-1, 1].
        real_B: (N, H, W, C) in [-1, 1].
        scores_A: the patch scores that discriminator A gives `generated.fake_A`.
        scores_B: the patch scores that discriminator B gives `generated.fake_B`.
        config: weights and forms.

    Returns:
        The weighted total, and each unweighted term by name. Terms are named after the generator (`gan_AtoB`) or after
        the domain of the real image that they hold on to (`cycle_A`, `identity_A`).
    """
    terms = {
        "gan_AtoB": least_squares(scores_B, 1.0),
        "gan_BtoA": least_squares(scores_A, 1.0),
        "cycle_A": l1(generated.cycled_A, real_A),
        "cycle_B": l1(generated.cycled_B, real_B),
    }
    total = terms["gan_AtoB"] + terms["gan_BtoA"]
    total += config.cycle_weight_A * terms["cycle_A"] + config.cycle_weight_B * terms["cycle_B"]
    if generated.identity_A is not None and generated.identity_B is not None:
        terms["identity_A"] = l1(generated.identity_A, real_A)
        terms["identity_B"] = l1(generated.identity_B, real_B)
        total += config.identity_weight * config.cycle_weight_A * terms["identity_A"]
        total += config.identity_weight * config.cycle_weight_B * terms["identity_B"]
    return _over_domains(total, config), terms


def discriminator_objective(
    scores_real_A: jax.Array,
    scores_fake_A: jax.Array,
    scores_real_B: jax.Array,
    scores_fake_B: jax.Array,
    config: LossConfig,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """What both discriminators minimise: 1 for real patches, 0 for generated ones.

    The two halves of a domain are averaged, which slows D against G (paper, section 7.1 of the appendix, and the seed).

    Returns:
        The total, and the terms `discriminator_A` and `discriminator_B`.
    """
    terms = {
        "discriminator_A": (least_squares(scores_real_A, 1.0) + least_squares(scores_fake_A, 0.0)) / 2,
        "discriminator_B": (least_squares(scores_real_B, 1.0) + least_squares(scores_fake_B, 0.0)) / 2,
    }
    return _over_domains(terms["discriminator_A"] + terms["discriminator_B"], config), terms


def _over_domains(total: jax.Array, config: LossConfig) -> jax.Array:
    return total / 2 if config.domains == "mean" else total


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
