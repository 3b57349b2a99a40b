"""The losses of CycleGAN (paper, section 3): adversarial, cycle-consistency and identity losses, and their totals."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cyclegan_jax.config import Domain, LossConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.gan_losses import discriminator_loss, generator_loss
from cyclegan_jax.user_functions import load_function

Terms = dict[str, Float[Array, ""]]
"""Unweighted loss terms by name."""
Images = Float[Array, "N _ _ _"]
Extra = Callable[["Generated", Images, Images], Float[Array, ""]]
"""A term of the generators' loss: of the generated images, and the real ones of A and B."""


class Generated(NamedTuple):
    """The images that the generators make from one batch, all in [-1, 1].

    Attributes:
        fake_A: BtoA of the real B.
        fake_B: AtoB of the real A.
        cycled_A: BtoA of fake_B; the cycle loss compares it with the real A.
        cycled_B: AtoB of fake_A; the cycle loss compares it with the real B.
        identity_A: the image that the identity loss compares with the real A: BtoA of the real A for
            `identity="target"`, fake_B for `identity="input"`; None without an identity loss.
        identity_B: the same for the real B.
    """

    fake_A: Float[Array, "N HB WB CA"]
    fake_B: Float[Array, "N HA WA CB"]
    cycled_A: Float[Array, "N HA WA CA"]
    cycled_B: Float[Array, "N HB WB CB"]
    identity_A: Float[Array, "N HA WA CA"] | None
    identity_B: Float[Array, "N HB WB CB"] | None


def l1(x: Float[Array, "*shape"], y: Float[Array, "*shape"]) -> Float[Array, ""]:
    """Return the mean absolute difference of two arrays."""
    return jnp.abs(_at_least_float32(x) - _at_least_float32(y)).mean()


def generator_objective(
    generated: Generated,
    real_A: Float[Array, "N HA WA CA"],
    real_B: Float[Array, "N HB WB CB"],
    scores_A: Float[Array, "N hB wB 1"],
    scores_B: Float[Array, "N hA wA 1"],
    config: LossConfig,
    extra: Extra | None = None,
) -> tuple[Float[Array, ""], Terms]:
    """Return the loss that both generators minimise together (paper, equation 3, and section 5.2 for the identity).

    Args:
        generated: the generators' images.
        real_A: training images of domain A in [-1, 1].
        real_B: training images of domain B in [-1, 1].
        scores_A: patch scores of `generated.fake_A` by discriminator A.
        scores_B: patch scores of `generated.fake_B` by discriminator B.
        config: weights and forms of the terms.
        extra: the function that `config.extra` names, see `extra_term`.

    Returns:
        The weighted total, and the unweighted terms. A term's name ends in the generator (`gan_AtoB`) or in the domain
        of the real image that the term compares with (`cycle_A`, `identity_A`).
    """
    terms = {
        "gan_AtoB": generator_loss(scores_B, config.gan),
        "gan_BtoA": generator_loss(scores_A, config.gan),
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
    total = _over_domains(total, config.domains)
    if extra is not None:
        terms["extra"] = extra(generated, real_A, real_B)
        total += config.extra_weight * terms["extra"]
    return total, terms


def extra_term(config: LossConfig) -> Extra | None:
    """Return the user's own term of the generators' loss, or None without one.

    The function that `config.extra` names takes `Generated` and the real images of A and B, and returns a scalar: a
    mean over the images, since the parts of a batch and the devices average it. JAX must be able to trace it.

    Raises:
        UserError: there is no such function. The term itself raises one, with the place in the user's code, where the
            function fails or returns something else.
    """
    if config.extra is None:
        return None
    function = load_function(config.extra, "loss.extra")

    def term(generated: Generated, real_A: Images, real_B: Images) -> Float[Array, ""]:
        value = function(generated, real_A, real_B)
        if not isinstance(value, jax.Array) or value.shape or not jnp.issubdtype(value.dtype, jnp.floating):
            shown = f"an array of shape {value.shape} and {value.dtype}" if hasattr(value, "shape") else repr(value)
            raise UserError(
                f"the function {config.extra} returned {shown}, but loss.extra must be a floating-point scalar: return "
                "a mean over all pixels"
            )
        return _at_least_float32(value)

    return term


def discriminator_objective(
    scores_real_A: Float[Array, "N hA wA 1"],
    scores_fake_A: Float[Array, "N hB wB 1"],
    scores_real_B: Float[Array, "N hB wB 1"],
    scores_fake_B: Float[Array, "N hA wA 1"],
    config: LossConfig,
) -> tuple[Float[Array, ""], Terms]:
    """Return the loss that both discriminators minimise, but for gradient penalties; see `gan_losses`.

    Returns:
        The total, and the terms `discriminator_A` and `discriminator_B`.
    """
    terms = {
        "discriminator_A": discriminator_loss(scores_real_A, scores_fake_A, config.gan),
        "discriminator_B": discriminator_loss(scores_real_B, scores_fake_B, config.gan),
    }
    total = terms["discriminator_A"] + terms["discriminator_B"]
    return _over_domains(total, config.discriminator_domains or config.domains), terms


def penalty_objective(
    penalties: Mapping[Domain, Float[Array, ""]], config: LossConfig
) -> tuple[Float[Array, ""], Terms]:
    """Return what the gradient penalties add to the discriminators' loss on a step that computes them.

    Args:
        penalties: by the domain that the discriminator judges.
        config: their weight, which is multiplied by `gradient_penalty_every`: over many steps it is the same.

    Returns:
        The weighted total, and the unweighted terms `gradient_penalty_A` and `gradient_penalty_B`.
    """
    total = config.gradient_penalty_every * config.gradient_penalty_weight * (penalties["A"] + penalties["B"])
    terms = {f"gradient_penalty_{domain}": penalty for domain, penalty in penalties.items()}
    return _over_domains(total, config.discriminator_domains or config.domains), terms


def _over_domains(total: Float[Array, ""], domains: Literal["sum", "mean"]) -> Float[Array, ""]:
    return total / 2 if domains == "mean" else total


def _at_least_float32(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    # A mean over an image in bfloat16 would lose most of its terms.
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
