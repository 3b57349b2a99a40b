"""The progress line, with a clock that the tests set."""

import pytest

from cyclegan_jax.console import duration
from cyclegan_jax.epochs import EpochLength
from cyclegan_jax.training import progress
from cyclegan_jax.training.progress import Progress

LOSSES = {"generators": 1.25, "discriminators": 0.5, "cycle_A": 0.25, "cycle_B": 0.75}


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_the_line_shows_epoch_speed_and_time_left(clock: Clock) -> None:
    measured = Progress(1000, EpochLength(100, 4))
    assert measured.line() == "step 1/1,000"
    measured.done(1, LOSSES)
    assert measured.line() == "step 1/1,000  epoch 1  G 1.25  D 0.50  cycle 0.25/0.75"
    measured.new_line()
    clock.now += 10
    measured.done(101, LOSSES)
    assert measured.pairs_per_second() == 40
    line = "step 101/1,000  epoch 5  40 pairs/s  1m30s left  G 1.25  D 0.50  cycle 0.25/0.75"
    assert measured.line() == line
    assert len(line) <= 80
    # 899 steps are left; while one goes on it is less, but never less than what follows that step.
    clock.now += 0.05
    assert measured.seconds_left() == pytest.approx(89.9 - 0.05)
    clock.now += 100
    assert measured.seconds_left() == pytest.approx(89.9 - 0.1)


def test_losses_are_smoothed(clock: Clock) -> None:
    """By a moving average whose first values are plain means, as without a bias towards the first."""
    measured = Progress(1000, EpochLength(100, 1))
    for step, value in enumerate((1.0, 2.0), start=1):
        measured.done(step, LOSSES | {"generators": value})
    assert "G 1.51  " in measured.line()  # (0.98 * 1 + 2) / 1.98
    for step in range(3, 600):
        measured.done(step, LOSSES | {"generators": 5.0})
    assert "G 5.00  " in measured.line()


def test_pauses_are_not_steps_but_count_in_the_time_left(clock: Clock) -> None:
    measured = Progress(111, EpochLength(100, 1), lambda step: {"checkpoint": 3, "evaluation": 1})
    measured.done(1, LOSSES)
    clock.now += 1
    with measured.paused("checkpoint"):
        clock.now += 100
    measured.done(11, LOSSES)
    assert measured.pairs_per_second() == 10
    # Ten seconds of steps and three checkpoints; how long an evaluation takes is not known yet.
    assert measured.seconds_left() == pytest.approx(10 + 300)


def test_the_line_shows_waiting_for_data_above_5_percent(clock: Clock) -> None:
    measured = Progress(100, EpochLength(100, 1))
    measured.done(1, LOSSES)
    for step, waited, shown in ((2, 0.4, False), (3, 0.6, True)):
        with measured.waiting():
            clock.now += waited
        clock.now += 10 - waited
        measured.done(step, LOSSES)
        line = measured.line()
        assert ("6% waiting for data" in line) == shown, line
        measured.new_line()


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12s"), (200, "3m20s"), (3720, "1h02m"), (59.6, "1m00s")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
