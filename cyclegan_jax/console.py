"""The one handler that prints the package's log: for the command line, notebooks and scripts.

Every module logs to a logger below `cyclegan_jax` and configures nothing, as libraries should.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator

LOGGER = logging.getLogger("cyclegan_jax")


class _StandardOutput(logging.StreamHandler):  # type: ignore[type-arg]
    """Prints to what `sys.stdout` is when a record arrives: notebooks and tests replace it."""

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
    """`show_log` for the time of a `with` block."""
    before = LOGGER.level, LOGGER.propagate
    show_log()
    try:
        yield
    finally:
        LOGGER.removeHandler(_HANDLER)
        LOGGER.level, LOGGER.propagate = before


def duration(seconds: float) -> str:
    """Format seconds for a progress line, such as `1h02m`, `3m20s` or `12s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
