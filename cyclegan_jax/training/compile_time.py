"""How long the compilation of the step is going to take, estimated from its tracing and from what it has used so far.

The estimate is in seconds of the processor, since other programs on the machine do not change these: a compilation uses
about nine times those of the tracing before it. By the share of the processor that this process gets, they are turned
into seconds of the clock, again and again while the compilation lasts.
"""

import time
from collections.abc import Callable
from typing import Final

from cyclegan_jax.console import duration

_COMPILED_PER_TRACED: Final = 9.0
"""Seconds of the processor that XLA compiles a step on a CPU for each second of its tracing. Measured with JAX 0.10.2:
7.2 (64 px, 3 blocks, width 16), 7.5 (24 px, 1 block), 8.8 (128 px, 6 blocks), 8.3 and 10.9 (256 px, 9 blocks)."""
_FIRST_SECONDS: Final = 5.0
"""The share of the processor is that of the tracing at first, and that of the compilation from here on."""


class CompileTime:
    """Estimates the rest of a compilation that begins now."""

    def __init__(
        self,
        traced: float,
        tracing: float,
        now: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ):
        """Start the clocks.

        Args:
            traced: seconds of the processor that the tracing used.
            tracing: seconds that it took.
            now: the time in seconds.
            used: seconds of the processor that this process has used, in all threads.
        """
        self._needed = traced * _COMPILED_PER_TRACED
        self._share = traced / max(tracing, traced, 1e-9)
        self._now, self._used = now, used
        self._begin, self._used_before = now(), used()

    def seconds_left(self) -> float:
        """Return the estimated seconds to the end; 0 when the compilation takes longer than estimated."""
        elapsed, used = self._now() - self._begin, self._used() - self._used_before
        share = self._share if elapsed < _FIRST_SECONDS else max(used / elapsed, 0.01)
        return max(0.0, self._needed - used) / max(share, 0.01)

    def line(self) -> str:
        """Return what is being done, since when, and for how long still, in less than 80 characters."""
        words = f"compiling the step, {duration(self._now() - self._begin)}"
        left = self.seconds_left()
        return f"{words}, about {duration(left)} left" if left >= 1 else f"{words}, a little longer than expected"
