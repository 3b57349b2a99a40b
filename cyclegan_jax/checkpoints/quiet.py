"""Orbax without its noise: messages of its event loop and log, beside the one error that the package raises."""

import contextlib
import gc
import logging
import sys
import threading
import time
from collections.abc import Iterator

_LOGGERS = ("absl", "asyncio")
"""Orbax logs through absl, its event loop to asyncio's own logger."""
_QUIET_SECONDS = 0.2
_SETTLE_SECONDS = 5.0

_lock = threading.Lock()
_users = 0
_before = sys.unraisablehook
_last_error = 0.0


@contextlib.contextmanager
def orbax() -> Iterator[None]:
    """Silence Orbax inside the block, in all threads; afterwards loggers and hooks are what they were before."""
    global _users, _before
    with _lock:
        _users += 1
        # The first of several threads sets the hook and the last one resets it: each for itself, they could restore
        # each other's.
        if _users == 1:
            _before, sys.unraisablehook = sys.unraisablehook, _hook
            for name in _LOGGERS:
                logging.getLogger(name).addFilter(_is_critical)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                if sys.unraisablehook is _hook:
                    sys.unraisablehook = _before
                for name in _LOGGERS:
                    logging.getLogger(name).removeFilter(_is_critical)


def settle() -> None:
    """Wait until the threads of a failed read are silent, at most 5 s; for a block of `orbax`, after the failure.

    The caller must have dropped Orbax's exception: its frames keep the unfinished tasks alive.
    """
    end = time.monotonic() + _SETTLE_SECONDS
    # The first error may still be to come.
    since = time.monotonic()
    while time.monotonic() < min(max(since, _last_error) + _QUIET_SECONDS, end):
        time.sleep(_QUIET_SECONDS / 4)
    # Tasks whose error nobody retrieved are reported when they are collected.
    gc.collect()


def _hook(error: "sys.UnraisableHookArgs") -> None:
    global _last_error
    # When reading or writing one array fails, Orbax closes its event loop. TensorStore's callbacks for the other
    # arrays then fail, and their errors end up here.
    if str(error.exc_value) == "Event loop is closed":
        _last_error = time.monotonic()
    else:
        _before(error)


def _is_critical(record: logging.LogRecord) -> bool:
    # Through absl, Orbax logs its timings as warnings, and the tracebacks of failures that the package catches.
    return record.levelno >= logging.CRITICAL
