"""The adversarial losses: how far a discriminator's scores are from "real" and from "generated", for both players.

Least squares, cross entropy and Wasserstein are as in the official code's `GANLoss`; hinge is that of Lim and Ye,
"Geometric GAN" (2017), and Miyato et al., "Spectral Normalization" (2018).
"""

from collections.abc import Mapping
from typing import Final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cyclegan_jax.loss_config import GanLoss

Scores = Float[Array, "N h w 1"]
OtherScores = Float[Array, "N i j 1"]
"""Of generated images, which may have the other domain's size."""
Scalar = Float[Array, ""]

GUESSING: Final[Mapping[GanLoss, float]] = {"lsgan": 0.25, "vanilla": 0.6931471805599453, "hinge": 1.0}
"""The loss of a discriminator that cannot tell real from generated images, and 0 is that of a perfect one. The
Wasserstein loss has no such values."""


def generator_loss(scores: Scores, loss: GanLoss) -> Scalar:
    """Return a generator's loss: that of its images' patch scores with respect to "real".

    * `lsgan`: mean (s - 1)^2; the paper takes it because training is more stable (section 4);
    * `vanilla`: mean -log sigmoid(s), the form of Goodfellow et al. whose gradients do not vanish;
    * `hinge` and `wgangp`: mean -s.

    Args:
        scores: of generated images, in any float type; the loss is in float32 at least.
        loss: which loss.
    """
    if loss == "hinge":
        return -_wide(scores).mean()
    return _distance(_wide(scores), loss, real=True)


def discriminator_loss(real: Scores, fake: OtherScores, loss: GanLoss) -> Scalar:
    """Return a discriminator's loss, half the sum of its losses on real and on generated images.

    The half slows the discriminators relative to the generators (paper, appendix 7.1). With s the scores:

    * `lsgan`: mean (s - 1)^2 on real images, mean s^2 on generated ones;
    * `vanilla`: mean -log sigmoid(s), and mean -log(1 - sigmoid(s));
    * `hinge`: mean max(0, 1 - s), and mean max(0, 1 + s);
    * `wgangp`: mean -s, and mean s.

    Args:
        real: scores of real images.
        fake: scores of generated images.
        loss: which loss.
    """
    return (_distance(_wide(real), loss, real=True) + _distance(_wide(fake), loss, real=False)) / 2


def _distance(scores: Scores, loss: GanLoss, *, real: bool) -> Scalar:
    """The discriminator's loss on images of one kind."""
    if loss == "lsgan":
        return jnp.square(scores - (1.0 if real else 0.0)).mean()
    towards = -scores if real else scores
    if loss == "vanilla":
        return jax.nn.softplus(towards).mean()
    return jax.nn.relu(1 + towards).mean() if loss == "hinge" else towards.mean()


def _wide(scores: Scores) -> Scores:
    # A mean over an image in bfloat16 would lose most of its terms.
    return scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
