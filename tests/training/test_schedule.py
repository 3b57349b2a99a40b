"""What is due after a step, and how many steps one call makes: checked step by step without training anything."""

import dataclasses
from typing import Any

import pytest

from cyclegan_jax import periods
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.epochs import EpochLength
from cyclegan_jax.periods import Periods
from cyclegan_jax.training import schedule
from cyclegan_jax.training.schedule import Due
from tests.conftest import tiny_config

CONFIG = tiny_config(log_every=2, checkpoint_every=4, sample_every=3, eval_every=5, snapshot_every=6, steps=13)


def resolved(config: TrainConfig, **changes: Any) -> Periods:
    """The periods of a run on 10 images."""
    return periods.resolve(dataclasses.replace(config, **changes), EpochLength(10, 4))


PERIODS = resolved(CONFIG)
NOTHING = Due(log=False, checkpoint=False, sample=False, evaluation=False, stop=False)


@pytest.mark.parametrize(
    ("step", "due"),
    [
        (1, NOTHING),
        (2, dataclasses.replace(NOTHING, log=True)),
        (3, dataclasses.replace(NOTHING, sample=True)),
        (4, dataclasses.replace(NOTHING, log=True, checkpoint=True)),
        # An evaluation is of a checkpoint.
        (5, dataclasses.replace(NOTHING, checkpoint=True, evaluation=True)),
        (6, dataclasses.replace(NOTHING, log=True, sample=True, snapshot=True)),
        (7, NOTHING),
        # The last step.
        (13, Due(log=True, checkpoint=True, sample=True, evaluation=True, stop=False)),
    ],
)
def test_what_is_due_after_a_step(step: int, due: Due) -> None:
    assert schedule.due_after(step, PERIODS) == due
    assert due.needs_state == (due not in (NOTHING, dataclasses.replace(NOTHING, log=True)))


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_signal_saves_stops_and_does_nothing_else(step: int) -> None:
    due = schedule.due_after(step, PERIODS, signal_received=True)
    assert due == dataclasses.replace(NOTHING, checkpoint=True, stop=True)
    assert due.needs_state


def test_a_signal_at_the_last_step_changes_nothing() -> None:
    assert schedule.due_after(13, PERIODS, signal_received=True) == schedule.due_after(13, PERIODS)


def test_without_evaluations_none_is_due() -> None:
    without = resolved(CONFIG, eval_every=0)
    assert not any(schedule.due_after(step, without).evaluation for step in range(1, 14))


def test_a_signal_does_not_cost_the_snapshot_of_its_step() -> None:
    """The run resumes after the step, and would not make it again."""
    assert schedule.due_after(6, PERIODS, signal_received=True) == dataclasses.replace(
        NOTHING, log=True, checkpoint=True, snapshot=True, stop=True
    )


def test_the_pauses_left_are_those_that_come() -> None:
    for last_step in (12, 13):
        run = resolved(CONFIG, checkpoint_every="1.5epochs", sample_every=6, eval_every=0, steps=last_step)
        for step in range(last_step):
            dues = [schedule.due_after(later, run) for later in range(step + 1, last_step + 1)]
            counted = {"checkpoint": sum(due.checkpoint for due in dues), "sample": sum(due.sample for due in dues)}
            assert schedule.pauses_left(step, run) == counted, step


def test_samples_are_due_when_the_clock_asks() -> None:
    assert schedule.due_after(5, PERIODS, sample_asked=True).sample
    assert not schedule.due_after(5, PERIODS, sample_asked=True, signal_received=True).sample


def test_calls_end_where_something_is_due() -> None:
    run = resolved(tiny_config(sample_every=4, checkpoint_every=4, steps=6))
    assert [schedule.steps_per_call(3, run, step) for step in range(6)] == [3, 3, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("steps_per_dispatch", "start", "last_step", "sizes"),
    [
        (1, 0, 10**9, [1]),
        (4, 0, 12, [4]),
        (4, 0, 13, [4, 1]),
        (4, 2, 12, [4, 1]),
        (3, 0, 12, [3, 1]),
        (8, 0, 12, [1]),
        (8, 0, 10**9, [1]),
        (4, 0, 10**9, [4]),
        (4, 0, 10**9 + 1, [4, 1]),
    ],
)
def test_only_the_programs_that_a_run_needs(
    steps_per_dispatch: int, start: int, last_step: int, sizes: list[int]
) -> None:
    run = resolved(tiny_config(sample_every=4, checkpoint_every=4, steps=last_step))
    assert schedule.call_sizes(steps_per_dispatch, run, start) == sizes


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("every", ["0.1epochs", "1epoch", "1.1epochs", "3epochs"])
def test_the_programs_are_those_of_the_calls(number: int, every: str) -> None:
    """Epochs of 2.5 steps, each call looked at."""
    for start in (0, 3):
        for last_step in (start + 1, 14, 31):
            run = resolved(tiny_config(sample_every=every, checkpoint_every="2epochs", steps=last_step))
            step, sizes = start, set()
            while step < last_step:
                sizes.add(schedule.steps_per_call(number, run, step))
                step += schedule.steps_per_call(number, run, step)
            assert schedule.call_sizes(number, run, start) == sorted(sizes, reverse=True)
