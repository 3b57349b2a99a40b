"""Adam and the learning-rate schedule, each recipe's by its own official formula."""

import jax
import jax.numpy as jnp
import optax

from cyclegan_jax.config import OptimizerConfig


def adam(config: OptimizerConfig) -> optax.GradientTransformation:
    """Adam's direction of descent, to be scaled by minus the learning rate.

    The rate is applied outside, from the training step's own counter, so that one counter rules the schedule.
    """
    return optax.scale_by_adam(b1=config.beta1, b2=config.beta2, eps=config.eps)


def schedule_epochs(config: OptimizerConfig) -> int:
    """Epochs until the schedule ends."""
    return config.constant_epochs + config.decay_epochs


def learning_rate(config: OptimizerConfig, step: jax.Array | int, *, batch_size: int, epoch_images: int) -> jax.Array:
    """The learning rate of a step.

    The rate changes once an epoch. Step s, from 0, is in epoch e = floor(s * batch_size / epoch_images). With constant
    and decay epochs n and m, the factor is

    * `official` (the paper's PyTorch port): 1 - max(0, e + 1 - n) / (m + 1): the first decay epoch, e = n, already has
      m / (m + 1), and the last 1 / (m + 1);
    * `pytorch_gan` (PyTorch-GAN): 1 - max(0, e - n) / m: the first decay epoch still has 1, the last 1 / m.

    A run that goes on past the schedule keeps the last epoch's rate: neither formula reaches 0 within it.

    Args:
        config: the schedule.
        step: () the step, from 0.
        batch_size: image pairs a step, over all devices.
        epoch_images: images in the larger domain, which is an epoch.

    Returns:
        () of JAX's default float type.
    """
    # Floor division in two parts, so that step * batch_size cannot overflow 32 bits.
    step = jnp.asarray(step)
    rounds, rest = step // epoch_images, step % epoch_images
    epoch = rounds * batch_size + (rest * batch_size) // epoch_images
    epoch = jnp.minimum(epoch, schedule_epochs(config) - 1).astype(float)
    if config.schedule == "official":
        factor = 1 - jnp.maximum(0, epoch + 1 - config.constant_epochs) / (config.decay_epochs + 1)
    else:
        factor = 1 - jnp.maximum(0, epoch - config.constant_epochs) / max(config.decay_epochs, 1)
    return config.learning_rate * factor
