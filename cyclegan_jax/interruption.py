"""SIGTERM and Ctrl-C during training: end the step, save, and stop with an exit status of its own."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class InterruptedRunError(Exception):
    """A run that was asked to stop, and has saved its state.

    Attributes:
        signal: which signal asked.
    """

    def __init__(self, asked_by: signal.Signals, step: int):
        """Asked to stop by a signal, and saved at a step."""
        super().__init__(f"stopped by {asked_by.name} at step {step:,}, which is saved; the same command goes on")
        self.signal = asked_by


class Interruption:
    """Whether a run has been asked to stop.

    Attributes:
        asked_by: the signal, or None.
    """

    def __init__(self) -> None:
        """Not asked yet."""
        self.asked_by: signal.Signals | None = None

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked_by is not None:
            # Asked twice: whoever asks does not want to wait.
            os._exit(128 + number)
        self.asked_by = signal.Signals(number)


@contextlib.contextmanager
def watched() -> Iterator[Interruption]:
    """Take SIGTERM and SIGINT for requests to stop; a second one ends the process at once.

    In other threads than the main one, where Python allows no handlers, it never asks.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption._ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
