"""Warnings of a training that has gone the wrong way while all its numbers are finite."""

from dataclasses import dataclass, field

from cyclegan_jax.config import TrainConfig

STEPS = 500
"""Steps over which a metric is averaged, and for which it must have been watched before a warning."""
WON = 0.01
"""A discriminator's loss below which it has won: 0.25 is that of one that cannot tell, 0 of one that is never wrong."""
COPIED = 0.02
"""The mean |G(x) - x|, and |cycled - x|, of images in [-1, 1] below which a generator copies: 2.5 of 255."""


@dataclass
class _Mean:
    """An exponential mean that weighs all values alike until `STEPS` of them are in."""

    value: float = 0.0
    number: int = 0

    def add(self, value: float) -> None:
        self.number += 1
        self.value += (value - self.value) / min(self.number, STEPS)

    def below(self, threshold: float) -> bool:
        return self.number >= STEPS and self.value < threshold


@dataclass
class Watch:
    """Looks at every step's metrics and says a line once a stretch: again only after things were well in between.

    Attributes:
        config: the experiment, for the advice.
    """

    config: TrainConfig
    _means: dict[str, _Mean] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def look(self, step: int, metrics: dict[str, float]) -> list[str]:
        """The warnings that a step gives reason for.

        Args:
            step: the step.
            metrics: the train step's; `change_AtoB` is the mean |AtoB(x) - x|, where the domains have as many channels.
        """
        for name, value in metrics.items():
            self._means.setdefault(name, _Mean()).add(value)
        lines = []
        for domain, direction in (("A", "BtoA"), ("B", "AtoB")):
            loss = self._means[f"discriminator_{domain}"]
            if self._begins(f"won_{domain}", loss.below(WON), not loss.below(2 * WON)):
                lines.append(
                    f"warning: at step {step:,} discriminator {domain} has won: its loss was {loss.value:.2g} over the "
                    f"last {STEPS:,} steps, and {direction} learns little from it. Look at the samples; more images of "
                    f"{domain}, or a smaller --discriminator.width, give {direction} a chance"
                )
        for direction, domain in (("AtoB", "A"), ("BtoA", "B")):
            change = self._means.get(f"change_{direction}")
            if change is None:
                continue
            cycle = self._means[f"cycle_{domain}"]
            copies = change.below(COPIED) and cycle.below(COPIED)
            if self._begins(f"copied_{direction}", copies, not change.below(2 * COPIED)):
                lines.append(
                    f"warning: at step {step:,} {direction} only copies its input: over the last {STEPS:,} steps its "
                    f"images differed from it by {change.value:.2g} of 2. Lower {self._weights()}, or look whether "
                    "the two domains are of the same kind"
                )
        return lines

    def _begins(self, name: str, bad: bool, well: bool) -> bool:
        if bad and name not in self._said:
            self._said.add(name)
            return True
        if well:
            self._said.discard(name)
        return False

    def _weights(self) -> str:
        return "--loss.identity_weight" if self.config.loss.identity_weight > 0 else "the cycle weights"
