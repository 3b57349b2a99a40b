"""Pure functions: what the loop does after a step, and how many steps one call makes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cyclegan_jax.periods import Period, Periods


@dataclass(frozen=True)
class Due:
    """What the loop does after a step.

    Attributes:
        log: log the progress line and the metrics.
        checkpoint: save a checkpoint.
        sample: draw the sample images.
        evaluation: evaluate the checkpoint.
        stop: stop because of a signal, before the run's last step.
        snapshot: save a snapshot of the generators.
        extra: the checkpoint is due only because of the time since the last one, not at this step.
    """

    log: bool
    checkpoint: bool
    sample: bool
    evaluation: bool
    stop: bool
    snapshot: bool = False
    extra: bool = False

    @property
    def needs_state(self) -> bool:
        """Whether the train state is used, so that the loop must pause before the next step donates it."""
        return self.checkpoint or self.snapshot or self.sample or self.evaluation or self.stop


def due_after(
    step: int,
    periods: Periods,
    *,
    signal_received: bool = False,
    save_asked: bool = False,
    sample_asked: bool = False,
) -> Due:
    """Return what is due after `step`.

    After the last step everything is due but a snapshot, since its checkpoint stays. Evaluations and stops come with a
    checkpoint. A run that stops saves its state, with the snapshot of the step that it would not make again, and does
    nothing else: the process that sent the signal may not wait long.

    Args:
        step: the number of steps done, from 1.
        periods: what is due when, and the step at which the run ends.
        signal_received: whether any process has been asked to stop.
        save_asked: whether the last save is longer ago than `checkpoint_minutes`.
        sample_asked: whether the next of the early samples is due, see `sample_minutes`.
    """
    is_last = step == periods.last_step
    stop = signal_received and not is_last
    evaluation = periods.evaluates(step) or (periods.evaluation is not None and is_last)
    checkpoint = periods.checkpoint.due(step) or is_last or evaluation or stop
    return Due(
        log=periods.log.due(step) or is_last,
        checkpoint=checkpoint or save_asked,
        sample=(periods.sample.due(step) or is_last or sample_asked) and not stop,
        evaluation=evaluation and not stop,
        stop=stop,
        snapshot=periods.snapshot is not None and periods.snapshot.due(step),
        extra=save_asked and not checkpoint,
    )


def pauses_left(step: int, periods: Periods) -> dict[str, int]:
    """Return how many checkpoints, samples and evaluations are due after `step`, until the end of the run."""
    every = {"checkpoint": periods.checkpoint, "sample": periods.sample, "evaluation": periods.evaluation}
    # The end has one of each, whether or not the last step is a multiple.
    return {
        kind: (periods.last_step - 1) // period.steps - step // period.steps + 1
        for kind, period in every.items()
        if period is not None
    }


def steps_per_call(number: int, periods: Periods, step: int) -> int:
    """Return how many steps the next call of the program makes after `step`.

    This is `number`, the config's `steps_per_dispatch`, or 1 if something that needs the state or the end is due before
    that many steps. A run thus needs at most two programs.
    """
    return number if step + number <= _next_due(periods, step) else 1


def call_sizes(number: int, periods: Periods, start: int) -> list[int]:
    """Return the distinct values of `steps_per_call` from step `start` to the end, largest first."""
    last_step = periods.last_step
    sizes: set[int] = set()
    # A multiple of every period, whose steps need not be whole.
    cycle = math.lcm(*(period.steps.numerator for period in _needing_state(periods)))
    step, cycle_end = start, min(last_step, start + cycle)
    # From due step to due step, for one cycle of them: a run of a billion steps is not walked through singly.
    while step < cycle_end and sizes < {1, number}:
        until = _next_due(periods, step)
        sizes |= _sizes_of(until - step, number)
        step = until
    if start < last_step:
        before = max(period.last_before(last_step) for period in _needing_state(periods))
        sizes |= _sizes_of(last_step - max(start, before), number)
    return sorted(sizes, reverse=True)


def _sizes_of(steps: int, number: int) -> set[int]:
    """The sizes of the calls that make `steps` steps, with nothing due between them: `number` as often as it fits."""
    return ({number} if steps >= number else set()) | ({1} if steps % number else set())


def _needing_state(periods: Periods) -> Iterator[Period]:
    every = (periods.sample, periods.checkpoint, periods.evaluation, periods.snapshot)
    return (period for period in every if period is not None)


def _next_due(periods: Periods, step: int) -> int:
    """The first step after `step` with a sample, a checkpoint, an evaluation or a snapshot, or the last step."""
    return min(periods.last_step, *(period.next_after(step) for period in _needing_state(periods)))
