"""Adam and the learning-rate schedules of the recipes."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from cyclegan_jax.config import OptimizerConfig


def adam(config: OptimizerConfig) -> optax.GradientTransformation:
    """Return Adam without a learning rate; the training step scales its updates by minus the rate.

    The training step computes the rate from its own step counter, so no second counter can disagree with it.
    """
    return optax.scale_by_adam(b1=config.beta1, b2=config.beta2, eps=config.eps)


def schedule_epochs(config: OptimizerConfig) -> int:
    """Return the number of epochs of the whole schedule."""
    return config.constant_epochs + config.decay_epochs


def learning_rate(
    config: OptimizerConfig, step: Int[Array, ""] | int, *, batch_size: int, epoch_images: int
) -> Float[Array, ""]:
    """Return the learning rate of a step, which changes once per epoch.

    Step s, counted from 0, belongs to epoch e = floor(s * batch_size / epoch_images). With n constant and m decay
    epochs, the rate is multiplied by

    * `official` (the official code): 1 - max(0, e + 1 - n) / (m + 1), which is m / (m + 1) in the first decay epoch,
      e = n, and 1 / (m + 1) in the last;
    * `pytorch_gan` (PyTorch-GAN): 1 - max(0, e - n) / m, which is 1 in the first decay epoch and 1 / m in the last.

    After the schedule's end, the rate of the last epoch stays.

    Args:
        config: the rate and its schedule.
        step: the step, counted from 0.
        batch_size: image pairs per step, over all devices.
        epoch_images: images of the larger domain, which make an epoch.
    """
    # step * batch_size can overflow int32; the quotient and the remainder of step / epoch_images cannot.
    step = jnp.asarray(step)
    quotient, remainder = step // epoch_images, step % epoch_images
    epoch = quotient * batch_size + (remainder * batch_size) // epoch_images
    epoch = jnp.minimum(epoch, schedule_epochs(config) - 1).astype(float)
    if config.schedule == "official":
        factor = 1 - jnp.maximum(0, epoch + 1 - config.constant_epochs) / (config.decay_epochs + 1)
    else:
        # Without decay epochs the numerator is 0.
        factor = 1 - jnp.maximum(0, epoch - config.constant_epochs) / max(config.decay_epochs, 1)
    return config.learning_rate * factor
