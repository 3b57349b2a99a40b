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
    discriminator_learning_rate: float | None = None
    """The same for the discriminators, if it is another; it follows the same schedule."""
    beta1: float = 0.5
    """Adam's decay rate of the first moment."""
    beta2: float = 0.999
    """Adam's decay rate of the second moment."""
    eps: float = 1e-8
    """Adam's epsilon, added to the square root as in PyTorch."""
    kind: Literal["adam", "adamw"] = "adam"
    """How `weight_decay` acts. `adam`: weight_decay * w is added to the gradient of a weight w, as by torch.optim.Adam;
    `adamw`: each update takes rate * weight_decay * w off, as by torch.optim.AdamW. Without it they are the same."""
    weight_decay: float = 0.0
    """Weight decay of all parameters, biases and norms included, as in PyTorch; 0 is off."""
    clip: float = 0.0
    """Scale the gradients of both generators, and those of both discriminators, down to this global norm where theirs
    is larger, as torch.nn.utils.clip_grad_norm_ does; the norms are logged. 0 is off."""
    constant_epochs: int = 100
    """Epochs at the constant learning rate."""
    decay_epochs: int = 100
    """Epochs of decay after them."""
    schedule: Literal["official", "pytorch_gan", "constant", "cosine", "step", "plateau"] = "official"
    """The factor of the learning rate in epoch e, counted from 0. `official`: 1 - max(0, e + 1 - constant) / (decay +
    1); `pytorch_gan`: 1 - max(0, e - constant) / decay; `cosine`: half a cosine over the decay epochs; `step`: 0.1 to
    the power of e // step_epochs; `constant`: 1; `plateau`: times 0.2 whenever the evaluations' score stops
    improving."""
    step_epochs: int = 50
    """Epochs between the steps of the schedule `step`."""
    plateau_score: str | None = None
    """The score that the schedule `plateau` follows, by its name in the run's scores.json, such as fid_B[inception];
    default: as for the best checkpoint. Whether a higher or a lower one is better is known of every score."""
    plateau_patience: int = 5
    """Evaluations without a score better by 1% that the schedule `plateau` accepts; one more lowers the rate."""
    warmup_steps: int = 0
    """First steps in which the learning rate rises linearly: by step s, counted from 1, to s / warmup_steps of its
    value. 0 is off."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "optimizer")
        check_limits(self, "optimizer", LIMITS)
        require(self.epochs >= 1, "optimizer.constant_epochs + optimizer.decay_epochs", self.epochs, "at least 1")

    @property
    def epochs(self) -> int:
        """Epochs of the whole schedule, after which a run ends by default."""
        return self.constant_epochs + self.decay_epochs
