"""The progress line of a run: step, epoch, speed, time left, and smoothed losses."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cyclegan_jax.console import duration
from cyclegan_jax.epochs import EpochLength

Scalars = dict[str, float]
"""The metrics of one step by name, on the host; see `train_step.Metrics`."""

_WAITING_SHOWN: Final = 0.05
"""The line shows the share of time spent waiting for data if it is above this."""
_SMOOTHING: Final = 0.98
"""Decay per step of the losses' moving average in the line; single steps jump too much to be read."""


class Progress:
    """Measures speed over the last two progress lines, and how long the work between steps takes.

    The first step, which includes the start of the devices, and the time inside `paused` do not count as steps.
    """

    def __init__(
        self,
        last_step: int,
        epoch: EpochLength,
        pauses_left: Callable[[int], Mapping[str, int]] = lambda step: {},
    ):
        """Describe the run.

        Args:
            last_step: the step at which it ends.
            epoch: how long an epoch is.
            pauses_left: step -> how often each kind of pause is still to come after it.
        """
        self._last_step = last_step
        self._epoch = epoch
        self._pauses_left = pauses_left
        self._pauses: dict[str, list[float]] = {}
        self._marks: deque[tuple[int, float]] = deque(maxlen=2)
        self._now: tuple[int, float] | None = None
        self._waited = 0.0
        self._smoothed: Scalars = {}
        self._weight = 0.0

    def done(self, step: int, scalars: Scalars) -> None:
        """Record that a step is done, and its metrics. The first call starts the clock."""
        self._now = (step, time.monotonic())
        if not self._marks:
            self._marks.append(self._now)
        self._weight = _SMOOTHING * self._weight + 1
        for name, value in scalars.items():
            before = self._smoothed.get(name, value)
            self._smoothed[name] = before + (value - before) / self._weight

    @contextlib.contextmanager
    def paused(self, *kinds: str) -> Iterator[None]:
        """Do not count the time inside the block as that of steps, but as that of one pause of these kinds."""
        begin = time.monotonic()
        yield
        seconds = time.monotonic() - begin
        self._marks = deque(((step, since + seconds) for step, since in self._marks), maxlen=2)
        if self._now is not None:
            self._now = (self._now[0], self._now[1] + seconds)
        for kind in kinds:
            self._pauses.setdefault(kind, []).append(seconds / len(kinds))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside the block as waiting for data."""
        begin = time.monotonic()
        yield
        if self._marks:
            self._waited += time.monotonic() - begin

    def waited(self) -> float:
        """Return the share of time, from 0 to 1, spent waiting for data since the last progress line."""
        return min(1.0, self._waited / max(self.seconds_since_line(), 1e-9)) if self._marks else 0.0

    def seconds_since_line(self) -> float:
        """Return the seconds since the last progress line, or since the first step; 0 before it."""
        return time.monotonic() - self._marks[-1][1] if self._marks else 0.0

    def pairs_per_second(self) -> float | None:
        """Return image pairs per second over the last two progress lines; None until a step has been timed."""
        if self._now is None or self._now[0] <= self._marks[0][0]:
            return None
        (first, since), (step, now) = self._marks[0], self._now
        return (step - first) * self._epoch.pairs_per_step / max(now - since, 1e-9)

    def seconds_left(self) -> float | None:
        """Return the seconds to the end of the run, with the saves, samples and evaluations on the way."""
        speed = self.pairs_per_second()
        if speed is None or self._now is None:
            return None
        step, since = self._now
        steps = (self._last_step - step) * self._epoch.pairs_per_step / speed
        pauses = sum(
            number * sum(self._pauses[kind]) / len(self._pauses[kind])
            for kind, number in self._pauses_left(step).items()
            if kind in self._pauses
        )
        # The next step has been going on for a while, but not for longer than it takes.
        going_on = min(time.monotonic() - since, self._epoch.pairs_per_step / speed)
        return max(0.0, steps + pauses - going_on)

    def epoch(self, step: int) -> int:
        """The epoch in which a step is, counted from 1."""
        return self._epoch.current(step)

    def line(self) -> str:
        """Return the progress line: at most 80 characters in most runs, the most important first."""
        if self._now is None:
            return f"step 1/{self._last_step:,}"
        step = self._now[0]
        parts = [f"step {step:,}/{self._last_step:,}  epoch {self.epoch(step):,}"]
        speed, left = self.pairs_per_second(), self.seconds_left()
        if speed is not None and left is not None:
            parts += [f"{speed:.3g} pairs/s", f"{duration(left)} left"]
        losses = self._smoothed
        parts.append(f"G {losses['generators']:.2f}")
        if "discriminators" in losses:  # a resumed run may not have updated them yet
            parts.append(f"D {losses['discriminators']:.2f}")
        if "cycle_A" in losses:
            parts.append(f"cycle {losses['cycle_A']:.2f}/{losses['cycle_B']:.2f}")
        if self.waited() > _WAITING_SHOWN:
            parts.append(f"{self.waited():.0%} waiting for data")
        return "  ".join(parts)

    def new_line(self) -> None:
        """Start measuring for the next progress line."""
        if self._now is not None:
            self._marks.append((self._now[0], time.monotonic()))
        self._waited = 0.0
