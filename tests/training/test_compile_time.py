"""The estimate of how long the step compiles, with clocks that the tests set."""

import pytest

from cyclegan_jax.training.compile_time import CompileTime


class Clocks:
    """The clock of the wall, and that of the processor."""

    def __init__(self, traced: float, tracing: float) -> None:
        self.wall = self.processor = 1000.0
        self.estimate = CompileTime(traced, tracing, lambda: self.wall, lambda: self.processor)

    def after(self, wall: float, processor: float) -> CompileTime:
        self.wall, self.processor = 1000 + wall, 1000 + processor
        return self.estimate


def test_an_idle_machine_takes_nine_times_the_tracing() -> None:
    clocks = Clocks(traced=10, tracing=10)
    assert clocks.after(0, 0).seconds_left() == pytest.approx(90)
    assert clocks.after(0, 0).line() == "compiling the step, 0s, about 1m30s left"
    assert clocks.after(60, 60).line() == "compiling the step, 1m00s, about 30s left"


def test_a_busy_machine_takes_longer_than_its_processor_does() -> None:
    """Other programs got half of the processor while the step was traced, and then two thirds."""
    clocks = Clocks(traced=10, tracing=20)
    assert clocks.after(0, 0).seconds_left() == pytest.approx(180)
    assert clocks.after(60, 20).seconds_left() == pytest.approx(70 * 3)
    # Two threads in the end.
    assert clocks.after(60, 80).seconds_left() == pytest.approx(10 * 60 / 80)


def test_a_longer_compilation_does_not_end_in_no_seconds() -> None:
    clocks = Clocks(traced=1, tracing=1)
    assert clocks.after(20, 20).line() == "compiling the step, 20s, a little longer than expected"
    assert clocks.after(0, 0).seconds_left() == pytest.approx(9)
    # A clock that has not moved yet, and a process that got nothing of the processor.
    assert Clocks(traced=0, tracing=0).after(0, 0).seconds_left() == 0
    assert clocks.after(10, 0).seconds_left() == pytest.approx(900)
