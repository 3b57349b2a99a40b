"""Output for people: the handler that prints the package's log, a progress bar, and durations in words.

Modules log to a logger below `cyclegan_jax` and configure nothing, as libraries should. `show_log` is for the command
line, notebooks and scripts.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator

LOGGER = logging.getLogger("cyclegan_jax")

_BAR_WIDTH = 30


class _StandardOutput(logging.StreamHandler):  # type: ignore[type-arg]
    """Prints to the `sys.stdout` of the moment: notebooks and tests replace it after the handler is made."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


_HANDLER = _StandardOutput(sys.stdout)
_HANDLER.setFormatter(logging.Formatter("%(message)s"))


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


def progress_bar(done: int, total: int) -> None:
    """Draw a bar on standard error over the one before; only on a terminal."""
    if not sys.stderr.isatty():
        return
    filled = round(_BAR_WIDTH * done / total)
    bar = "#" * filled + " " * (_BAR_WIDTH - filled)
    end = "\n" if done == total else ""
    print(f"\r[{bar}] {done:,}/{total:,}", end=end, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds in words, such as `1h02m`, `3m20s` or `12s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
