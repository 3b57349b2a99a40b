"""The part of a config that describes the objective; `config` re-exports it."""

from dataclasses import dataclass
from typing import Literal

from cyclegan_jax.config_checks import check_limits, check_types, require
from cyclegan_jax.config_limits import LIMITS

GanLoss = Literal["lsgan", "vanilla", "hinge", "wgangp"]
Penalty = Literal["none", "wgangp", "r1", "mixture"]


@dataclass(frozen=True)
class LossConfig:
    """The objective's terms and their weights (paper, section 3)."""

    cycle_weight_A: float = 10.0
    """Weight of the cycle loss A -> B -> A; the adversarial loss has weight 1."""
    cycle_weight_B: float = 10.0
    """Weight of the cycle loss B -> A -> B."""
    identity_weight: float = 0.0
    """Weight of the identity loss relative to the cycle weight: 0.5 with a cycle weight of 10 is 5; 0 is off."""
    identity: Literal["target", "input"] = "target"
    """`target`: a generator should keep an image that is in its target domain already, ||G(y) - y|| (paper, section
    5.2); `input`: its output should stay near its input, ||G(x) - x||."""
    domains: Literal["sum", "mean"] = "sum"
    """How the two domains' terms are combined: `sum` as in the official code, or `mean` as in PyTorch-GAN."""
    discriminator_domains: Literal["sum", "mean"] | None = None
    """The same for the discriminators' loss; default: as `loss.domains`. `sum` acts as a separate Adam for each
    discriminator."""
    gan: GanLoss = "lsgan"
    """The adversarial loss. `lsgan`: least squares, the paper's; `vanilla`: cross entropy; `hinge`; `wgangp`:
    Wasserstein, with its gradient penalty."""
    gradient_penalty: Penalty | None = None
    """A penalty on the gradient of each discriminator with respect to its images. `wgangp`: (|gradient| - 1)^2 at
    random mixtures of a real and a generated image; `r1`: |gradient|^2 at real images; `mixture`: |gradient|^2 at
    mixtures; `none`. Default: `wgangp` with `loss.gan=wgangp`, otherwise `none`."""
    gradient_penalty_weight: float = 10.0
    """Weight of the gradient penalty in each discriminator's loss; without effect where there is no penalty."""
    gradient_penalty_every: int = 1
    """Compute the penalty in every n-th update of the discriminators only, with n times its weight: cheaper, and nearly
    the same. 16 is usual for `r1`."""

    extra: str | None = None
    """A term of your own in the generators' loss, as module:function, see docs/extending.md."""
    extra_weight: float = 1.0
    """Weight of that term."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "loss")
        check_limits(self, "loss", LIMITS)
        require(
            self.extra is None or ":" in self.extra, "loss.extra", self.extra, "a function as module:function, or None"
        )

    @property
    def penalty(self) -> Penalty:
        """The gradient penalty, where `gradient_penalty` leaves it to the adversarial loss too."""
        if self.gradient_penalty is not None:
            return self.gradient_penalty
        return "wgangp" if self.gan == "wgangp" else "none"
