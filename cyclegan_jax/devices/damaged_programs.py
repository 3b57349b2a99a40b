"""Damaged files in the cache of compiled programs: deleted when JAX finds them, so that JAX writes them anew.

JAX compiles a program that it cannot read, but never replaces a file that exists, so the same damage would cost a
compilation and a warning at every start. And where a process was killed between a program and the file with the time of
its last use, JAX can evict nothing, and keep no new program.
"""

import contextlib
import logging
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_READ_ERROR: Final = "Error reading persistent compilation cache entry"
_HIT: Final = re.compile(r"Cache hit for key: '([^'/]+)'")
_PROGRAM, _TIME = "-cache", "-atime"
_SETTLED_SECONDS: Final = 60


@contextlib.contextmanager
def replaced(folder: str | None = None) -> Iterator[None]:
    """Inside the block, delete each damaged program of the cache when JAX finds it; print one line for all.

    Args:
        folder: the cache; by default the one that `JAX_COMPILATION_CACHE_DIR` names, if any.
    """
    named = folder or os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if not named:
        yield
        return
    cache = Path(named)
    with contextlib.suppress(OSError):
        _delete_unfinished(cache)
    with _watched_reads() as last_read, warnings.catch_warnings():
        # Two programs may have the same name and the same damage: the second warning must not be left out.
        warnings.filterwarnings("always", message=_READ_ERROR)
        show, printed = warnings.showwarning, threading.Event()

        def on_warning(message: Warning | str, *rest: object, **named: object) -> None:
            key = last_read.key
            if not str(message).startswith(_READ_ERROR) or key is None or not _delete(cache / f"{key}{_PROGRAM}"):
                show(message, *rest, **named)  # type: ignore[arg-type]
            elif not printed.is_set():
                printed.set()
                print(f"damaged programs in {cache} are compiled again and replaced", file=sys.stderr, flush=True)

        warnings.showwarning = on_warning
        yield


class _LastRead(threading.local):
    """The key of the program that this thread read last."""

    key: str | None = None


@contextlib.contextmanager
def _watched_reads() -> Iterator[_LastRead]:
    """Yield the key of the last read of the cache, from JAX's debug log: its warnings do not contain it."""
    logger, last = logging.getLogger("jax._src.lru_cache"), _LastRead()

    def watch(record: logging.LogRecord) -> bool:
        found = _HIT.search(record.getMessage())
        last.key = found[1] if found else None
        return record.levelno > logging.DEBUG

    level = logger.level
    logger.addFilter(watch)
    logger.setLevel(logging.DEBUG)
    try:
        yield last
    finally:
        logger.setLevel(level)
        logger.removeFilter(watch)


def _delete(file: Path) -> bool:
    """Delete a file, and return whether it is gone."""
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _delete_unfinished(cache: Path) -> None:
    """Delete programs whose time is missing, unless another process may be writing them now."""
    if not (cache / ".lockfile").exists():
        return  # a cache without a size limit keeps no times
    names = {file.name for file in cache.iterdir()}
    for name in names:
        file = cache / name
        if name.endswith(_PROGRAM) and name.removesuffix(_PROGRAM) + _TIME not in names:
            with contextlib.suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > _SETTLED_SECONDS:
                    _delete(file)
