"""When something is due in a run: the config's numbers of steps and epochs, in steps of a data set that is open."""

import math
from dataclasses import dataclass
from fractions import Fraction

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.config_checks import require
from cyclegan_jax.config_limits import MOST_STEPS
from cyclegan_jax.epochs import EpochLength, Steps, in_epochs


@dataclass(frozen=True)
class Period:
    """Something that is due again and again.

    Attributes:
        steps: the steps from one time to the next. Where they are not whole, as epochs may be, it is due after the
            first step that reaches each multiple, so that it keeps up with the epochs.
    """

    steps: Fraction

    def due(self, step: int) -> bool:
        """Whether it is due after a step, counted from 1."""
        return step // self.steps > (step - 1) // self.steps

    def next_after(self, step: int) -> int:
        """The first step after `step` at which it is due."""
        return math.ceil((step // self.steps + 1) * self.steps)

    def last_before(self, step: int) -> int:
        """The last step before `step`, at least 1, at which it is due; 0 where there is none."""
        return math.ceil((step - 1) // self.steps * self.steps)


@dataclass(frozen=True)
class Periods:
    """What is due in a run, in steps; what is off is None.

    Attributes:
        epoch: the length of an epoch.
        last_step: the step at which the run ends.
        log: progress lines and metrics.
        sample: grids of sample images.
        checkpoint: checkpoints.
        evaluation: evaluations.
        snapshot: snapshots of the generators.
    """

    epoch: EpochLength
    last_step: int
    log: Period
    sample: Period
    checkpoint: Period
    evaluation: Period | None = None
    snapshot: Period | None = None

    def evaluates(self, step: int) -> bool:
        """Whether the run evaluates its checkpoint of `step`, whichever step is the last; the last is another one."""
        return self.evaluation is not None and self.evaluation.due(step)


def epoch_length(config: TrainConfig, images_A: int, images_B: int) -> EpochLength:
    """The length of an epoch of a run with so many training images."""
    return EpochLength(max(images_A, images_B), config.pairs_per_step)


def end_of_schedule(config: TrainConfig, epoch: EpochLength) -> int:
    """The step at which the learning-rate schedule ends; by default the run ends there too."""
    return epoch.end(config.optimizer.epochs)


def resolve(config: TrainConfig, epoch: EpochLength) -> Periods:
    """Return the config's numbers of steps and epochs in steps.

    Raises:
        UserError: `steps` is a number of epochs of more steps than a run can have.
    """
    return Periods(
        epoch,
        _last_step(config, epoch),
        log=Period(_in_steps(config.log_every, epoch)),
        sample=Period(_in_steps(config.sample_every, epoch)),
        checkpoint=Period(_in_steps(config.checkpoint_every, epoch)),
        evaluation=_unless_off(config.eval_every, epoch),
        snapshot=_unless_off(config.snapshot_every, epoch),
    )


def _last_step(config: TrainConfig, epoch: EpochLength) -> int:
    if config.steps is None:
        return end_of_schedule(config, epoch)
    last = math.ceil(_in_steps(config.steps, epoch))
    require(
        last <= MOST_STEPS, "steps", config.steps, f"at most {MOST_STEPS:,} steps, and with this data it is {last:,}"
    )
    return last


def _in_steps(value: Steps, epoch: EpochLength) -> Fraction:
    epochs = in_epochs(value)
    return Fraction(value) if epochs is None else max(Fraction(1), epoch.steps(epochs))


def _unless_off(value: Steps, epoch: EpochLength) -> Period | None:
    return Period(_in_steps(value, epoch)) if value != 0 else None
