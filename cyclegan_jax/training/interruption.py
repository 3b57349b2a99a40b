"""SIGINT (Ctrl-C) and SIGTERM: the loop saves after the current step and stops; a second Ctrl-C does not wait."""

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Final, Self

from cyclegan_jax import live
from cyclegan_jax.console import duration

_TWICE_SECONDS: Final = 0.3
"""Two signals within this time are one Ctrl-C that arrived by two ways."""
_COUNT_SECONDS: Final = 10.0
"""Seconds between the lines that say how long a signal has waited for the end of a step."""
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
    """A context manager in which the first SIGINT or SIGTERM is only recorded, so that the run can save and stop.

    A second SIGINT stops at once, and so does a first one before `began`, when there is nothing to save. A step takes
    as long as it takes: the process is never ended during it, but says every ten seconds what it waits for.

    It has no effect outside the main thread, where Python does not allow signal handlers.
    """

    # Python calls signal handlers between its own instructions, so not during the minutes in which XLA compiles. But C
    # code writes each signal's number to the wakeup descriptor at once. A thread reads it from there, and can end the
    # process at any time.

    def __init__(self, *, ends_process: bool = False, count_seconds: float = _COUNT_SECONDS):
        """Set how the run stops at once, without saving.

        Args:
            ends_process: end the process, even inside a call into C. Otherwise raise KeyboardInterrupt when that call
                returns, for a notebook or a script that goes on.
            count_seconds: seconds between the lines that say how long a signal has waited.
        """
        self._ends_process = ends_process
        self._count_seconds = count_seconds
        self._requested: int | None = None
        self._since = 0.0
        self._began = False
        self._before: dict[int, Any] = {}
        self._left = threading.Event()

    @property
    def requested(self) -> int | None:
        """Number of the first signal that asked the run to stop, or None."""
        return self._requested

    def began(self) -> None:
        """The first step begins: from now on there is something to save."""
        self._began = True

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
        if self._requested is None:
            self._requested, self._since = number, time.monotonic()
            stops_at_once = not self._began
        else:
            stops_at_once = self._is_second(number, self._since)
        if stops_at_once and not self._ends_process:
            raise KeyboardInterrupt

    def _watch(self, reading: int) -> None:
        first, since = None, 0.0
        while number := os.read(reading, 1)[0]:
            if number not in (signal.SIGINT, signal.SIGTERM):
                continue
            if first is None:
                first, since = number, time.monotonic()
                if self._began:
                    threading.Thread(target=self._count_aloud, args=(number,), daemon=True).start()
                elif self._ends_process:
                    _exit("stopped before the first step: there is nothing to save", number)
            elif self._ends_process and self._is_second(number, since):
                _exit("stopped without saving", number)
        os.close(reading)

    @staticmethod
    def _is_second(number: int, since: float) -> bool:
        """Whether a signal `number` after the first is one more wish to stop.

        A second SIGTERM is ignored: some schedulers send several. So is a SIGINT right after the first signal: a
        terminal sends it to a launcher as well, which passes it on.
        """
        return number == signal.SIGINT and time.monotonic() - since > _TWICE_SECONDS

    def _count_aloud(self, number: int) -> None:
        name, begin = signal.Signals(number).name, time.monotonic()
        _print(f"{name}: saving after this step; press Ctrl-C again to stop without saving")
        while not self._left.wait(self._count_seconds):
            _print(f"{name}: waiting for the step and the save, {duration(time.monotonic() - begin)}")


def _print(line: str) -> None:
    # Not by logging: the main thread may be holding its lock.
    with live.above():
        print(line, file=sys.stderr, flush=True)


def _exit(reason: str, number: int) -> None:
    with live.above():
        print(f"{reason}; the same command resumes the run from its last checkpoint", file=sys.stderr, flush=True)
        # Here, before the line at the bottom is drawn again. sys.exit would end this thread only.
        os._exit(exit_status(number))
