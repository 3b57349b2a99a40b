"""Warnings about two ways in which GAN training fails while all its numbers stay finite.

A discriminator wins: it is nearly always right, and its generator gets hardly any gradient. Or a generator copies its
input: that minimizes the cycle and identity losses, but translates nothing.
"""

from dataclasses import dataclass, field
from typing import Final

from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.gan_losses import GUESSING

WINDOW: Final = 500
"""Number of steps over which metrics are averaged, and before which there is no warning."""
WINNING_SHARE: Final = 0.04
"""A discriminator wins below this share of the loss of one that guesses: with least squares below 0.01."""
COPYING_DIFFERENCE: Final = 0.02
"""A generator copies if the means of |G(x) - x| and |cycled - x|, images in [-1, 1], are below this: 2.5 of 255."""


@dataclass
class _RunningMean:
    """The mean of the first `WINDOW` values; afterwards an exponential mean with weight 1 / `WINDOW`."""

    value: float = 0.0
    number: int = 0

    def add(self, value: float) -> None:
        self.number += 1
        self.value += (value - self.value) / min(self.number, WINDOW)

    def below(self, threshold: float) -> bool:
        return self.number >= WINDOW and self.value < threshold


@dataclass
class FailureDetector:
    """Follows the metrics of a run, and returns a warning when one of the two failures begins.

    Attributes:
        config: the experiment, for the advice in the warnings.
    """

    config: TrainConfig
    _means: dict[str, _RunningMean] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)

    def update(self, step: int, metrics: dict[str, float]) -> list[str]:
        """Take the metrics of a step, and return the warnings to log, mostly none.

        Args:
            step: the step.
            metrics: the train step's metrics. `change_AtoB`, the mean of |AtoB(x) - x|, exists only if both domains
                have the same number of channels; without it, copying is not detected.
        """
        for name, value in metrics.items():
            self._means.setdefault(name, _RunningMean()).add(value)
        found = [
            self._discriminator_wins(step, "A", "BtoA"),
            self._discriminator_wins(step, "B", "AtoB"),
            self._generator_copies(step, "AtoB", "A"),
            self._generator_copies(step, "BtoA", "B"),
        ]
        return [warning for warning in found if warning is not None]

    def _discriminator_wins(self, step: int, domain: Domain, direction: Direction) -> str | None:
        guessing = GUESSING.get(self.config.loss.gan)
        if guessing is None:
            return None
        loss, winning = self._means.get(f"discriminator_{domain}"), WINNING_SHARE * guessing
        if loss is None:  # a resumed run may not have updated the discriminators yet
            return None
        if not self._begins(f"discriminator_{domain}", loss.below(winning), not loss.below(2 * winning)):
            return None
        return (
            f"warning: at step {step:,} discriminator {domain} is winning: its mean loss over the last {WINDOW:,} "
            f"steps is {loss.value:.2g}, so {direction} learns little from it. Look at the samples; more images of "
            f"{domain}, or a smaller --discriminator.width, may help"
        )

    def _generator_copies(self, step: int, direction: Direction, source: Domain) -> str | None:
        change, cycle = self._means.get(f"change_{direction}"), self._means[f"cycle_{source}"]
        if change is None:
            return None
        copies = change.below(COPYING_DIFFERENCE) and cycle.below(COPYING_DIFFERENCE)
        if not self._begins(f"copies_{direction}", copies, not change.below(2 * COPYING_DIFFERENCE)):
            return None
        weights = "--loss.identity_weight" if self.config.loss.identity_weight > 0 else "the cycle weights"
        return (
            f"warning: at step {step:,} {direction} only copies its input: over the last {WINDOW:,} steps its images "
            f"differ from it by {change.value:.2g} on average, on a scale from -1 to 1. Lower {weights}, or check that "
            "the two domains look different"
        )

    def _begins(self, failure: str, present: bool, over: bool) -> bool:
        """Return whether a failure begins now. It is over only at twice the threshold: noise repeats no warning."""
        if present and failure not in self._active:
            self._active.add(failure)
            return True
        if over:
            self._active.discard(failure)
        return False
