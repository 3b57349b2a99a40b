"""When something is due: the steps that end epochs, however long a step is."""

from fractions import Fraction

import pytest

from cyclegan_jax import periods
from cyclegan_jax.config import OptimizerConfig
from cyclegan_jax.epochs import EpochLength
from cyclegan_jax.errors import UserError
from cyclegan_jax.periods import Period
from tests.conftest import tiny_config


@pytest.mark.parametrize("steps", [Fraction(1), Fraction(4), Fraction(5, 2), Fraction(667, 2), Fraction(10, 7)])
def test_due_after_the_first_step_that_reaches_each_multiple(steps: Fraction) -> None:
    period = Period(steps)
    expected = {next(step for step in range(2000) if step >= number * steps) for number in range(1, 6)}
    last = max(expected)
    assert {step for step in range(1, last + 1) if period.due(step)} == expected
    for step in range(1, last):
        assert period.next_after(step) == min(due for due in expected if due > step)
        assert period.last_before(step) == max((due for due in expected if due < step), default=0)


def test_epochs_do_not_drift() -> None:
    """With 333.5 steps an epoch, every checkpoint ends an epoch; a period of 334 steps would be 60 steps late here."""
    run = periods.resolve(
        tiny_config(checkpoint_every="1epoch", batch_size=4),
        periods.epoch_length(tiny_config(batch_size=4), 1334, 1000),
    )
    assert run.epoch == EpochLength(1334, 4)
    assert all(run.checkpoint.due(run.epoch.end(epoch)) for epoch in range(1, 130))
    assert run.epoch.end(120) == 40_020


def test_each_field_is_resolved() -> None:
    config = tiny_config(
        steps="200epochs",
        log_every="0.5epochs",
        sample_every=7,
        checkpoint_every="5epochs",
        eval_every="2epochs",
        snapshot_every="10epochs",
    )
    run = periods.resolve(config, EpochLength(10, 1))
    every = (run.log, run.sample, run.checkpoint, run.evaluation, run.snapshot)
    assert [None if period is None else period.steps for period in every] == [5, 7, 50, 20, 100]
    assert run.last_step == 2000
    assert [step for step in range(1, 50) if run.evaluates(step)] == [20, 40]


def test_what_is_off_is_none_and_the_schedule_decides_the_end() -> None:
    config = tiny_config(optimizer=OptimizerConfig(constant_epochs=3, decay_epochs=2), batch_size=4)
    run = periods.resolve(config, EpochLength(10, 4))
    assert run.last_step == periods.end_of_schedule(config, run.epoch) == 13
    assert (run.evaluation, run.snapshot) == (None, None)
    assert not run.evaluates(1000)


def test_less_than_a_step_is_every_step() -> None:
    run = periods.resolve(tiny_config(log_every="0.01epochs"), EpochLength(10, 1))
    assert [run.log.due(step) for step in (1, 2, 3)] == [True] * 3


def test_more_steps_than_a_run_can_count() -> None:
    with pytest.raises(UserError) as error:
        periods.resolve(tiny_config(steps="2000000epochs"), EpochLength(2000, 1))
    assert str(error.value) == (
        "steps is '2000000epochs', but it must be at most 2,147,483,647 steps, and with this data it is 4,000,000,000"
    )
