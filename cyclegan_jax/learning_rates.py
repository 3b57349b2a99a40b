"""The learning-rate schedules: the factor of the rate in a step, its warm-up, and the state of `plateau`."""

import math
from typing import Any, Final, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cyclegan_jax.config import OptimizerConfig

STEP_FACTOR: Final = 0.1
"""The schedule `step` multiplies the rate by this, as the official code's `--lr_policy step`."""
PLATEAU_FACTOR: Final = 0.2
"""The schedule `plateau` multiplies the rate by this, as the official code's `--lr_policy plateau`."""
PLATEAU_THRESHOLD: Final = 0.01
"""By how much of the best score another must be better to count as an improvement, as there."""


class Plateau(NamedTuple):
    """What the schedule `plateau` has seen of the scores.

    Attributes:
        scores: how many scores there were, int32.
        best: the best of them, which the next one is compared with; 0 before the first.
        bad: how many came since without an improvement, int32.
        reductions: how often the rate was lowered, int32.
    """

    scores: Int[Array, ""]
    best: Float[Array, ""]
    bad: Int[Array, ""]
    reductions: Int[Array, ""]


def fresh_plateau() -> Plateau:
    """Return the state before the first score."""
    # An array each: the training step donates every buffer of its state once.
    return Plateau(*(jnp.zeros((), kind) for kind in (jnp.int32, jnp.float32, jnp.int32, jnp.int32)))


def after_score(
    plateau: Plateau, score: float, better: Literal["lower", "higher"], patience: int
) -> dict[str, float | int]:
    """Return the values of a plateau's fields after one more score, as `torch.optim.lr_scheduler.ReduceLROnPlateau`.

    The score is compared with the best one relative to it, so that both should be positive. More than `patience` scores
    without an improvement lower the rate.
    """
    values: dict[str, Any] = {name: value.item() for name, value in plateau._asdict().items()}
    values["scores"] += 1
    bound = values["best"] * (1 - PLATEAU_THRESHOLD if better == "lower" else 1 + PLATEAU_THRESHOLD)
    if plateau.scores == 0 or (score < bound if better == "lower" else score > bound):
        return values | {"best": score, "bad": 0}
    values["bad"] += 1
    if values["bad"] > patience:
        values |= {"bad": 0, "reductions": values["reductions"] + 1}
    return values


def factor(
    config: OptimizerConfig,
    step: Int[Array, ""] | int,
    *,
    batch_size: int,
    epoch_images: int,
    plateau: Plateau | None = None,
) -> Float[Array, ""]:
    """Return the factor of the learning rate in a step; without warm-up it changes once per epoch.

    Step s, counted from 0, belongs to epoch e = floor(s * batch_size / epoch_images). With n constant and m decay
    epochs, the factor is

    * `official` (the official code): 1 - max(0, e + 1 - n) / (m + 1), which is m / (m + 1) in the first decay epoch,
      e = n, and 1 / (m + 1) in the last;
    * `pytorch_gan` (PyTorch-GAN): 1 - max(0, e - n) / m, which is 1 in the first decay epoch and 1 / m in the last;
    * `cosine`: (1 + cos(pi * max(0, e - n) / m)) / 2, with n = 0 that of `torch.optim.lr_scheduler.CosineAnnealingLR`;
    * `step`: 0.1 ** (e // step_epochs);
    * `plateau`: 0.2 to the power of the reductions so far;
    * `constant`: 1.

    After the schedule's end, the factor of the last epoch stays.

    Args:
        config: the schedule.
        step: the step, counted from 0.
        batch_size: image pairs per step, over all devices and parts.
        epoch_images: images of the larger domain, which make an epoch.
        plateau: the state of the schedule `plateau`, which the others do not have.
    """
    # step * batch_size can overflow int32; the quotient and the remainder of step / epoch_images cannot.
    step = jnp.asarray(step)
    quotient, remainder = step // epoch_images, step % epoch_images
    epoch = quotient * batch_size + (remainder * batch_size) // epoch_images
    epoch = jnp.minimum(epoch, config.epochs - 1).astype(float)
    by_epoch = _by_epoch(config, epoch) if plateau is None else PLATEAU_FACTOR ** plateau.reductions.astype(float)
    if config.warmup_steps == 0:
        return by_epoch
    return by_epoch * jnp.minimum(1.0, (step.astype(float) + 1) / config.warmup_steps)


def _by_epoch(config: OptimizerConfig, epoch: Float[Array, ""]) -> Float[Array, ""]:
    constant, decay = config.constant_epochs, config.decay_epochs
    if config.schedule == "official":
        return 1 - jnp.maximum(0, epoch + 1 - constant) / (decay + 1)
    if config.schedule == "pytorch_gan":
        # Without decay epochs the numerator is 0.
        return 1 - jnp.maximum(0, epoch - constant) / max(decay, 1)
    if config.schedule == "cosine":
        return (1 + jnp.cos(math.pi * jnp.maximum(0, epoch - constant) / max(decay, 1))) / 2
    if config.schedule == "step":
        return STEP_FACTOR ** (epoch // config.step_epochs)
    return jnp.ones_like(epoch)
