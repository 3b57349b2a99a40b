"""Pure functions: when a run ends, how many steps one call makes, and what the loop does after a step."""

import math
from dataclasses import dataclass

from cyclegan_jax.config import TrainConfig


@dataclass(frozen=True)
class Due:
    """What the loop does after a step.

    Attributes:
        log: log the progress line and the metrics.
        checkpoint: save a checkpoint.
        sample: draw the sample images.
        evaluation: evaluate the checkpoint.
        stop: stop because of a signal, before the run's last step.
        extra: the checkpoint is due only because of the time since the last one, not at this step.
    """

    log: bool
    checkpoint: bool
    sample: bool
    evaluation: bool
    stop: bool
    extra: bool = False

    @property
    def needs_state(self) -> bool:
        """Whether the train state is used, so that the loop must pause before the next step donates it."""
        return self.checkpoint or self.sample or self.evaluation or self.stop


def due_after(
    step: int,
    config: TrainConfig,
    last_step: int,
    *,
    signal_received: bool = False,
    save_asked: bool = False,
    sample_asked: bool = False,
) -> Due:
    """Return what is due after `step`.

    After the last step everything is due. Evaluations and stops come with a checkpoint. A run that stops saves its
    state and does nothing else: the process that sent the signal may not wait long.

    Args:
        step: the number of steps done, from 1.
        config: the experiment.
        last_step: the step at which the run ends.
        signal_received: whether any process has been asked to stop.
        save_asked: whether the last save is longer ago than `checkpoint_minutes`.
        sample_asked: whether the next of the early samples is due, see `sample_minutes`.
    """
    is_last = step == last_step
    stop = signal_received and not is_last
    evaluation = config.evaluates(step) or (config.eval_every > 0 and is_last)
    checkpoint = step % config.checkpoint_every == 0 or is_last or evaluation or stop
    return Due(
        log=step % config.log_every == 0 or is_last,
        checkpoint=checkpoint or save_asked,
        sample=(step % config.sample_every == 0 or is_last or sample_asked) and not stop,
        evaluation=evaluation and not stop,
        stop=stop,
        extra=save_asked and not checkpoint,
    )


def pauses_left(step: int, config: TrainConfig, last_step: int) -> dict[str, int]:
    """Return how many checkpoints, samples and evaluations are due after `step`, until the end of the run."""
    every = {"checkpoint": config.checkpoint_every, "sample": config.sample_every, "evaluation": config.eval_every}
    # The end has one of each, whether or not the last step is a multiple.
    return {kind: (last_step - 1) // number - step // number + 1 for kind, number in every.items() if number}


def steps_per_call(config: TrainConfig, step: int, last_step: int) -> int:
    """Return how many steps the next call of the program makes after `step`.

    This is `steps_per_dispatch`, or 1 if a sample, checkpoint, evaluation or the end is due before that many steps.
    A run thus needs at most two programs.
    """
    until = min(last_step, _next_due(config, step))
    return config.steps_per_dispatch if step + config.steps_per_dispatch <= until else 1


def call_sizes(config: TrainConfig, start: int, last_step: int) -> list[int]:
    """Return the distinct values of `steps_per_call` from step `start` to the end, largest first."""
    periods, number = _periods(config), config.steps_per_dispatch
    sizes: set[int] = set()
    step, cycle_end = start, min(last_step, start + math.lcm(*periods))
    # From due step to due step, for one cycle of them: a run of a billion steps is not walked through singly.
    while step < cycle_end and sizes < {1, number}:
        until = min(last_step, _next_due(config, step))
        sizes |= _sizes_of(until - step, number)
        step = until
    if start < last_step:
        sizes |= _sizes_of(last_step - max(start, *((last_step - 1) // every * every for every in periods)), number)
    return sorted(sizes, reverse=True)


def _sizes_of(steps: int, number: int) -> set[int]:
    """The sizes of the calls that make `steps` steps, with nothing due between them: `number` as often as it fits."""
    return ({number} if steps >= number else set()) | ({1} if steps % number else set())


def _periods(config: TrainConfig) -> tuple[int, ...]:
    return tuple(every for every in (config.sample_every, config.checkpoint_every, config.eval_every) if every)


def _next_due(config: TrainConfig, step: int) -> int:
    """The first step after `step` with a sample, a checkpoint or an evaluation."""
    return min((step // every + 1) * every for every in _periods(config))


def schedule_steps(config: TrainConfig, epoch_images: int) -> int:
    """Return the step at which the learning-rate schedule ends; by default the run ends there too.

    Args:
        config: the experiment.
        epoch_images: images in the larger domain, which make one epoch.
    """
    return math.ceil(config.optimizer.epochs * epoch_images / config.pairs_per_step)
