"""Epochs and steps: how long an epoch is, and numbers of steps that a config gives in epochs, such as `5epochs`.

An epoch is one pass over the larger domain. It need not be a whole number of steps: the step that ends it is the first
one after which the pass is complete.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from cyclegan_jax.config_checks import Limits, require, shown
from cyclegan_jax.errors import UserError

Steps: TypeAlias = int | str
"""A number of steps, or of epochs as text: `5epochs`, `1epoch`, `0.5epochs`."""

_NUMBER: Final = r"[0-9]{1,10}(?:\.[0-9]{1,6})?"
_EPOCHS: Final = re.compile(rf"({_NUMBER})epochs?")
_END: Final = re.compile(rf"epoch:({_NUMBER})")
_MOST: Final = Limits(0, 10**9, without="lowest")


@dataclass(frozen=True)
class EpochLength:
    """How long an epoch of a run is.

    Attributes:
        images: images of the larger domain.
        pairs_per_step: image pairs that a step takes, over all devices.
    """

    images: int
    pairs_per_step: int

    def steps(self, epochs: Fraction | int) -> Fraction:
        """The length of some epochs in steps, which need not be whole."""
        return Fraction(epochs) * self.images / self.pairs_per_step

    def end(self, epochs: Fraction | int) -> int:
        """The step that ends an epoch, counted from 1; of a fraction, the first step after which it is done."""
        return math.ceil(self.steps(epochs))

    def current(self, step: int) -> int:
        """The epoch in which a step is, counted from 1; 0 before the first step."""
        return (step - 1) * self.pairs_per_step // self.images + 1 if step else 0

    def done(self, step: int) -> str:
        """The epochs done after a step: whole, such as `20`, after a step that ends one, otherwise as in `20.4`."""
        done = Fraction(step * self.pairs_per_step, self.images)
        if step == self.end(math.floor(done)):
            return f"{math.floor(done):,}"
        return f"{math.floor(10 * done) / 10:,.1f}"


def named(step: int, epoch: EpochLength | None) -> str:
    """A step in words, with the epochs done where their length is known: `step 26,680 (epoch 20)`."""
    return f"step {step:,}" if epoch is None else f"step {step:,} (epoch {epoch.done(step)})"


def in_epochs(value: Steps) -> Fraction | None:
    """The number of epochs that a text such as `5epochs` gives; None for a number of steps and for any other text."""
    found = _EPOCHS.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else Fraction(found[1])


def end_of_epoch(text: str) -> Fraction | None:
    """The number N in `epoch:N`, which stands for the step that ends the epoch N; None for any other text."""
    found = _END.fullmatch(text)
    return None if found is None else Fraction(found[1])


def check_steps(name: str, value: object, limits: Limits) -> None:
    """Check a config's number of steps or epochs.

    Args:
        name: the field.
        value: its value.
        limits: the limits of a number of steps; one of epochs is above 0 and at most 1,000,000,000.

    Raises:
        UserError: it is neither, or not within the limits.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        require(limits.hold(value), name, value, limits.need(value))
        return
    epochs = in_epochs(value) if isinstance(value, str) else None
    if epochs is None:
        need = "a number of steps, such as 5000, or of epochs, such as 5epochs"
        raise UserError(f"{name} is {shown(value)}, but it must be {need}")
    require(_MOST.hold(float(epochs)), name, value, f"{_MOST.need(float(epochs))} epochs")
