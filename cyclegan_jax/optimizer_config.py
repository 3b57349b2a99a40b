"""The part of a config that is about Adam and the learning rate; `config` has it too."""

from dataclasses import dataclass
from typing import Literal

from cyclegan_jax.config_checks import check_limits, check_types, require
from cyclegan_jax.config_limits import LIMITS


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam and the learning-rate schedule; an epoch is one pass over the larger domain."""

    learning_rate: float = 2e-4
    """Learning rate of the constant phase."""
    beta1: float = 0.5
    """Adam's decay rate of the first moment."""
    beta2: float = 0.999
    """Adam's decay rate of the second moment."""
    eps: float = 1e-8
    """Adam's epsilon, added to the square root as in PyTorch."""
    constant_epochs: int = 100
    """Epochs at the constant learning rate."""
    decay_epochs: int = 100
    """Epochs of linear decay after them."""
    schedule: Literal["official", "pytorch_gan"] = "official"
    """The decay factor in epoch e, counted from 0. `official`: 1 - max(0, e + 1 - constant) / (decay + 1);
    `pytorch_gan`: 1 - max(0, e - constant) / decay."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "optimizer")
        check_limits(self, "optimizer", LIMITS)
        epochs = self.constant_epochs + self.decay_epochs
        require(epochs >= 1, "optimizer.constant_epochs + optimizer.decay_epochs", epochs, "at least 1")
