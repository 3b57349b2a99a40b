"""What is due after a step, and how many steps one call makes: checked step by step without training anything."""

import dataclasses

import pytest

from cyclegan_jax.config import OptimizerConfig
from cyclegan_jax.training import schedule
from cyclegan_jax.training.schedule import Due
from tests.conftest import tiny_config

CONFIG = tiny_config(log_every=2, checkpoint_every=4, sample_every=3, eval_every=5, eval_features=None)
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
        (7, NOTHING),
        # The last step.
        (13, Due(log=True, checkpoint=True, sample=True, evaluation=True, stop=False)),
    ],
)
def test_what_is_due_after_a_step(step: int, due: Due) -> None:
    assert schedule.due_after(step, CONFIG, 13) == due
    assert due.needs_state == (due not in (NOTHING, dataclasses.replace(NOTHING, log=True)))


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_signal_saves_stops_and_does_nothing_else(step: int) -> None:
    due = schedule.due_after(step, CONFIG, 13, signal_received=True)
    assert due == dataclasses.replace(NOTHING, checkpoint=True, stop=True)
    assert due.needs_state


def test_a_signal_at_the_last_step_changes_nothing() -> None:
    assert schedule.due_after(13, CONFIG, 13, signal_received=True) == schedule.due_after(13, CONFIG, 13)


def test_without_evaluations_none_is_due() -> None:
    config = dataclasses.replace(CONFIG, eval_every=0)
    assert not any(schedule.due_after(step, config, 13).evaluation for step in range(1, 14))


def test_the_pauses_left_are_those_that_come() -> None:
    config = tiny_config(checkpoint_every=4, sample_every=6)
    for last_step in (12, 13):
        for step in range(last_step):
            dues = [schedule.due_after(later, config, last_step) for later in range(step + 1, last_step + 1)]
            counted = {"checkpoint": sum(due.checkpoint for due in dues), "sample": sum(due.sample for due in dues)}
            assert schedule.pauses_left(step, config, last_step) == counted, step


def test_samples_are_due_when_the_clock_asks() -> None:
    assert schedule.due_after(5, CONFIG, 13, sample_asked=True).sample
    assert not schedule.due_after(5, CONFIG, 13, sample_asked=True, signal_received=True).sample


def test_calls_end_where_something_is_due() -> None:
    config = tiny_config(steps_per_dispatch=3, sample_every=4, checkpoint_every=4)
    assert [schedule.steps_per_call(config, step, 6) for step in range(6)] == [3, 3, 1, 1, 1, 1]


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
    config = tiny_config(steps_per_dispatch=steps_per_dispatch, sample_every=4, checkpoint_every=4)
    assert schedule.call_sizes(config, start, last_step) == sizes


def test_the_schedule_ends_after_its_epochs() -> None:
    config = tiny_config(optimizer=OptimizerConfig(constant_epochs=3, decay_epochs=2), batch_size=4)
    assert schedule.schedule_steps(config, 10) == 13
