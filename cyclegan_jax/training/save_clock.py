"""The time since the last save and the last samples, and how processes agree to save or to stop after a step."""

import time
from collections.abc import Callable

from cyclegan_jax.devices import distributed


class SaveClock:
    """Asks for a save when the last one is too long ago, once for each save."""

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic):
        """Start the clock.

        Args:
            minutes: the longest time between saves; 0 never asks for one.
            now: the time in seconds.
        """
        self._seconds = 60 * minutes
        self._now = now
        self._last = now()
        self._asked = False

    def asks(self) -> bool:
        """Return whether a save is due now; after True, return False until the next `saved`."""
        if not self._seconds or self._asked or self._now() - self._last < self._seconds:
            return False
        self._asked = True
        return True

    def saved(self) -> None:
        """Start again: a checkpoint was saved."""
        self._last = self._now()
        self._asked = False


class SampleClock:
    """Asks for samples early in a run, and then after twice the time each, until the regular ones come sooner."""

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic):
        """Start the clock.

        Args:
            minutes: the time to the first sample; 0 never asks for one.
            now: the time in seconds.
        """
        self._seconds = 60 * minutes
        self._now = now
        self._last = now()

    def asks(self) -> bool:
        """Return whether samples are due now."""
        return self._seconds > 0 and self._now() - self._last >= self._seconds

    def sampled(self) -> None:
        """Start again: samples were drawn, because they were asked for or due at this step."""
        if self.asks():
            self._seconds *= 2
        self._last = self._now()


class Agreement:
    """What all processes do after a step: stop because of a signal to any of them, or save because the first asks.

    With several processes the answer arrives one call late, see `distributed.DelayedMax`.
    """

    def __init__(self) -> None:
        """Start without a signal."""
        self._max = distributed.DelayedMax()

    def update(self, signal_number: int, save: bool) -> tuple[int, bool]:
        """Pass this process's signal, or 0, and whether its clock asks for a save; return what all do.

        All processes must call it equally often. Only the first process's clock counts: clocks differ.
        """
        # One number for both. A signal outweighs the wish to save, since a run that stops saves anyway.
        code = self._max.update(2 * signal_number + (save and distributed.is_first()))
        return code // 2, code == 1
