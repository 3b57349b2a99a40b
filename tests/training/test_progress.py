"""The progress line, with a clock that the tests set."""

import pytest

from cyclegan_jax.console import duration
from cyclegan_jax.training import progress
from cyclegan_jax.training.progress import Progress

LOSSES = {"generators": 1.25, "discriminators": 0.5, "gan_AtoB": 0.25, "gan_BtoA": 0.75}


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


def test_the_line_shows_pairs_per_second_and_time_left(clock: Clock) -> None:
    measured = Progress(1000, 4)
    measured.done(1)
    assert measured.line(1, LOSSES) == "step 1/1,000  G 1.250  D 0.500  gan 0.250/0.750"
    clock.now += 10
    assert measured.pairs_per_second(101) == 40
    assert measured.line(101, LOSSES) == "step 101/1,000  40 pairs/s  1m30s left  G 1.250  D 0.500  gan 0.250/0.750"


def test_pauses_do_not_count(clock: Clock) -> None:
    measured = Progress(100, 1)
    measured.done(1)
    clock.now += 1
    with measured.paused():
        clock.now += 100
    assert measured.pairs_per_second(11) == 10


def test_the_line_shows_waiting_for_data_above_5_percent(clock: Clock) -> None:
    measured = Progress(100, 1)
    measured.done(1)
    for waited, shown in ((0.4, False), (0.6, True)):
        with measured.waiting():
            clock.now += waited
        clock.now += 10 - waited
        line = measured.line(int(clock.now), LOSSES)
        assert ("6% waiting for data" in line) == shown, line


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12s"), (200, "3m20s"), (3720, "1h02m"), (59.6, "1m00s")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
