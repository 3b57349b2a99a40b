"""The progress line of a run: step, speed, time left, and losses."""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from cyclegan_jax.console import duration

Scalars = dict[str, float]
"""The metrics of one step by name, on the host; see `train_step.Metrics`."""

_WAITING_SHOWN: Final = 0.05
"""The line shows the share of time spent waiting for data if it is above this."""


class Progress:
    """Measures speed between two progress lines. The first step and the time inside `paused()` do not count."""

    def __init__(self, last_step: int, batch_size: int):
        """Measure a run to step `last_step` with `batch_size` image pairs per step."""
        self._last_step = last_step
        self._batch_size = batch_size
        self._since: tuple[int, float] | None = None
        self._waited = 0.0

    def done(self, step: int) -> None:
        """Record that a step is done. The first call starts the clock."""
        if self._since is None:
            self._since = (step, time.monotonic())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time inside the block, such as that of a checkpoint."""
        begin = time.monotonic()
        yield
        if self._since is not None:
            self._since = (self._since[0], self._since[1] + time.monotonic() - begin)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside the block as waiting for data."""
        begin = time.monotonic()
        yield
        if self._since is not None:
            self._waited += time.monotonic() - begin

    def waited(self) -> float:
        """Return the share of time, from 0 to 1, spent waiting for data since the last progress line."""
        return 0.0 if self._since is None else min(1.0, self._waited / max(time.monotonic() - self._since[1], 1e-9))

    def pairs_per_second(self, step: int) -> float | None:
        """Return image pairs per second since the last progress line; None until a step has been timed."""
        if self._since is None or step <= self._since[0]:
            return None
        first, since = self._since
        return (step - first) * self._batch_size / max(time.monotonic() - since, 1e-9)

    def line(self, step: int, scalars: Scalars) -> str:
        """Return the progress line of a step, and start measuring for the next one.

        Losses that come in pairs are shown as AtoB/BtoA or A/B.
        """
        parts = [f"step {step:,}/{self._last_step:,}"]
        speed = self.pairs_per_second(step)
        if speed is not None:
            left = duration((self._last_step - step) * self._batch_size / speed)
            parts += [f"{speed:.3g} pairs/s", f"{left} left"]
            if self.waited() > _WAITING_SHOWN:
                parts.append(f"{self.waited():.0%} waiting for data")
        parts.append(f"G {scalars['generators']:.3f}  D {scalars['discriminators']:.3f}")
        for name, ends in {"gan": ("AtoB", "BtoA"), "cycle": ("A", "B"), "identity": ("A", "B")}.items():
            if f"{name}_{ends[0]}" in scalars:
                parts.append(f"{name} {scalars[f'{name}_{ends[0]}']:.3f}/{scalars[f'{name}_{ends[1]}']:.3f}")
        self._since, self._waited = (step, time.monotonic()), 0.0
        return "  ".join(parts)
