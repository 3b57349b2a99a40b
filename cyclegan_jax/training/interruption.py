"""Ending a run by a signal: the loop saves and leaves; where it cannot in time, the process ends all the same."""

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

GRACE_SECONDS = 25.0
"""From the first signal to the end of the process, whatever it is doing; schedulers kill 30 seconds after theirs."""

_LEAVE = 0
"""The byte that ends the watching thread; signals count from 1."""


class StoppedError(Exception):
    """A run was asked to stop, and what it had done is saved.

    Attributes:
        signal_number: by which signal.
        step: the step that was saved.
    """

    def __init__(self, signal_number: int, step: int):
        """After `step` steps."""
        super().__init__(f"stopped by {signal.Signals(signal_number).name} after step {step:,}, which is saved")
        self.signal_number = signal_number
        self.step = step


def exit_status(signal_number: int) -> int:
    """130 for SIGINT, 143 for SIGTERM: as shells count a process that a signal has ended."""
    return 128 + signal_number


class Interruption:
    """A context in which the first SIGINT or SIGTERM is a request, a second SIGINT an end at once.

    Python runs signal handlers between its own instructions, thus not while XLA compiles. The signals' numbers are
    therefore written to a pipe as well, at whose other end a thread waits that can end the process at any time.
    Only the main thread can enter it to effect.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS):
        """With so many seconds from the first signal to the end of the process."""
        self._grace_seconds = grace_seconds
        self._requested: int | None = None
        self._before: dict[int, Any] = {}
        self._left = threading.Event()

    @property
    def requested(self) -> int | None:
        """The number of the signal that has asked the run to stop, if any has."""
        return self._requested

    def __enter__(self) -> Self:
        """Take the signals over."""
        if threading.current_thread() is not threading.main_thread():
            return self
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._fd_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, args=(reading,), daemon=True, name="interruption")
        self._thread.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        if not self._before:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        signal.set_wakeup_fd(self._fd_before)
        self._left.set()
        os.write(self._writing, bytes([_LEAVE]))
        self._thread.join()
        os.close(self._writing)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._requested = self._requested or number

    def _watch(self, reading: int) -> None:
        first = None
        while number := os.read(reading, 1)[0]:
            if number not in (signal.SIGINT, signal.SIGTERM):
                continue
            if first is None:
                first = number
                _say(f"{signal.Signals(number).name}: saving; Ctrl-C once more ends the run without")
                threading.Thread(target=self._end_in_time, args=(number,), daemon=True).start()
            elif number == signal.SIGINT:
                _end("ended without saving; the same command goes on from the last checkpoint", number)
        os.close(reading)

    def _end_in_time(self, number: int) -> None:
        if not self._left.wait(self._grace_seconds):
            _end(
                f"the step under way did not end within {self._grace_seconds:g} s; "
                "the same command goes on from the last checkpoint",
                number,
            )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _end(line: str, number: int) -> None:
    _say(line)
    os._exit(exit_status(number))
