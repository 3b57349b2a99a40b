"""SIGINT (Ctrl-C) and SIGTERM: the loop saves and stops; if it cannot in time, the process ends without saving."""

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Final, Self

GRACE_SECONDS: Final = 25.0
"""Seconds from the first signal to the end of the process in any case; schedulers kill after 30 seconds."""

_TWICE_SECONDS: Final = 0.3
"""Two signals within this time are one Ctrl-C that arrived by two ways."""
_LEAVE: Final = 0
"""The byte that ends the watching thread; signal numbers start at 1."""


class StoppedError(Exception):
    """A signal has stopped the run, whose state is saved.

    Attributes:
        signal_number: the signal.
        step: the step whose state is saved.
    """

    def __init__(self, signal_number: int, step: int):
        """Build the message from the signal and the saved step."""
        super().__init__(f"stopped by {signal.Signals(signal_number).name} after step {step:,}, which is saved")
        self.signal_number = signal_number
        self.step = step


def exit_status(signal_number: int) -> int:
    """Return 130 for SIGINT and 143 for SIGTERM: 128 plus the signal's number, as shells do."""
    return 128 + signal_number


class Interruption:
    """A context manager in which the first SIGINT or SIGTERM is only recorded; a second SIGINT ends the process.

    It has no effect outside the main thread, where Python does not allow signal handlers.
    """

    # Python calls signal handlers between its own instructions, so not during the minutes in which XLA compiles. But C
    # code writes each signal's number to the wakeup descriptor at once. A thread reads it from there, and can end the
    # process at any time.

    def __init__(self, grace_seconds: float = GRACE_SECONDS):
        """Set how many seconds after the first signal the process ends in any case."""
        self._grace_seconds = grace_seconds
        self._requested: int | None = None
        self._before: dict[int, Any] = {}
        self._left = threading.Event()

    @property
    def requested(self) -> int | None:
        """Number of the first signal that asked the run to stop, or None."""
        return self._requested

    def __enter__(self) -> Self:
        """Install the signal handlers, and start the watching thread."""
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
        """Restore the signal handlers, and end the watching thread."""
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
        first, since = None, 0.0
        while number := os.read(reading, 1)[0]:
            if number not in (signal.SIGINT, signal.SIGTERM):
                continue
            if first is None:
                first, since = number, time.monotonic()
                _print(f"{signal.Signals(number).name}: saving; press Ctrl-C again to stop without saving")
                threading.Thread(target=self._exit_after_grace, args=(number,), daemon=True).start()
            # A second SIGTERM is ignored: some schedulers send several. So is a SIGINT right after the first signal: a
            # terminal sends it to a launcher as well, which passes it on.
            elif number == signal.SIGINT and time.monotonic() - since > _TWICE_SECONDS:
                _exit("stopped without saving", number)
        os.close(reading)

    def _exit_after_grace(self, number: int) -> None:
        if not self._left.wait(self._grace_seconds):
            _exit(
                f"stopped without saving: the current step, or its compilation, did not end within "
                f"{self._grace_seconds:g} s",
                number,
            )


def _print(line: str) -> None:
    # Not by logging: the main thread may be holding its lock.
    print(line, file=sys.stderr, flush=True)


def _exit(reason: str, number: int) -> None:
    _print(f"{reason}; the same command resumes the run from its last checkpoint")
    # sys.exit would end this thread only.
    os._exit(exit_status(number))
