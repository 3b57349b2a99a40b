"""Output for people: the handler that prints the package's log, a progress bar, and durations in words.

Modules log to a logger below `cyclegan_jax` and configure nothing, as libraries should. `show_log` is for the command
line, notebooks and scripts.
"""

import contextlib
import io
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from cyclegan_jax import live

LOGGER = logging.getLogger("cyclegan_jax")

_BAR_WIDTH = 30
_LINE_WIDTH = 79


class _StandardOutput(logging.StreamHandler):  # type: ignore[type-arg]
    """Prints to the `sys.stdout` of the moment: notebooks and tests replace it after the handler is made."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        with live.above():
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        return _encodable(super().format(record), self.stream)


class _OneLine(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # a traceback, which logging adds, keeps its lines
        return one_line(record.getMessage())


_HANDLER = _StandardOutput(sys.stdout)
_HANDLER.setFormatter(_OneLine())


def show_log() -> None:
    """Print the package's log lines to standard output from now on; calling it again changes nothing."""
    LOGGER.addHandler(_HANDLER)
    LOGGER.setLevel(logging.INFO)
    # The root logger may have a handler of its own, which would print each line a second time.
    LOGGER.propagate = False


@contextlib.contextmanager
def shown_log() -> Iterator[None]:
    """`show_log` inside a `with` block; the logger is restored at its end."""
    before = LOGGER.level, LOGGER.propagate
    show_log()
    try:
        yield
    finally:
        LOGGER.removeHandler(_HANDLER)
        LOGGER.level, LOGGER.propagate = before


def one_line(text: str) -> str:
    """Escape line breaks and other control characters, which file names may hold."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), text)


def accept_all_characters() -> None:
    """Make standard output and error escape what their encoding lacks, for example in file names, instead of failing.

    A file name that is no valid UTF-8 holds characters that no encoding has, and a terminal may be limited to ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def progress_bar(done: int, total: int, words: str = "") -> None:
    """Draw a bar on standard error, with words after its numbers, over the one before; only on a terminal."""
    if not sys.stderr.isatty():
        return
    filled = round(_BAR_WIDTH * done / total)
    bar = "#" * filled + " " * (_BAR_WIDTH - filled)
    end = "\n" if done == total else ""
    line = f"[{bar}] {done:,}/{total:,}{words}"
    # Padded: the line before may have been longer.
    print(f"\r{line:<{_LINE_WIDTH}}", end=end, file=sys.stderr, flush=True)


def timed_bar(what: str) -> Callable[[int, int], None]:
    """Return a `progress_bar` of one task that says what its parts are, and the time left; called after each part."""
    first: float | None = None

    def draw(done: int, total: int) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None or done < 2:
            # The first part takes longer than others, by what is compiled for it.
            first = now
            progress_bar(done, total, f" {what}")
        else:
            left = (now - first) / (done - 1) * (total - done)
            progress_bar(done, total, f" {what}, {duration(left)} left" if done < total else f" {what}")

    return draw


def duration(seconds: float) -> str:
    """Seconds in words, such as `1h02m`, `3m20s` or `12s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
