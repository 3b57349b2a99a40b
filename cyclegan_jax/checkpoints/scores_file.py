"""`scores.json` on disk: read with all its values checked, changed under a lock, set aside where it is odd."""

import contextlib
import json
import logging
import math
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from cyclegan_jax import files
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

Scores = dict[str, Any]
"""By metric: {"better": "lower" or "higher", "values": {step as text: value}}."""

NAME: Final = "scores.json"
LOCK_NAME: Final = "scores.json.lock"
LOCK_SECONDS: Final = 30.0
"""How long a writer waits for another one; each holds the lock for milliseconds."""

_STEP: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_POLL_SECONDS: Final = 0.01


class OddScoresError(UserError):
    """`scores.json` is there and readable, but is not a file of scores."""

    def __init__(self, file: Path, what: str):
        """Describe in one sentence what is wrong."""
        super().__init__(f"{file} is not a file of scores ({what}): move it away, and evaluate the run again")
        self.what = what


def read(workdir: str | Path) -> Scores:
    """Read the scores of a run; empty where there are none.

    Raises:
        OddScoresError: the file does not have the form of `Scores`, or holds a value that is no finite number.
        UserError: it cannot be read.
    """
    file = Path(workdir) / NAME
    if not files.exists(file):
        return {}
    # Reading a FIFO would wait for ever.
    if not files.is_file(file):
        raise OddScoresError(file, "it is not a regular file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise files.UnreadableError(file, error) from error
    try:
        scores = json.loads(content.decode(), object_pairs_hook=_without_duplicates, parse_constant=_refused)
    except RecursionError as error:
        raise OddScoresError(file, "it is nested too deeply") from error
    except ValueError as error:  # invalid UTF-8 and JSON, and a number of too many digits
        raise OddScoresError(file, str(error).rstrip(".")) from error
    what = _odd(scores)
    if what is not None:
        raise OddScoresError(file, what)
    return dict(scores)


def read_or_set_aside(workdir: str | Path) -> Scores:
    """`read`, for a training, which must continue: an odd file is renamed with a warning, and there are no scores.

    Raises:
        UserError: the file cannot be read or renamed.
    """
    try:
        return read(workdir)
    except OddScoresError:
        pass
    with locked(workdir):
        try:
            return read(workdir)  # another process may have set it aside meanwhile
        except OddScoresError as error:
            aside = _set_aside(Path(workdir) / NAME)
            _LOG.warning(
                f"{Path(workdir) / NAME} is not a file of scores ({error.what}) and set aside as {aside.name}: the "
                f"training continues, and keeps the checkpoints that are there now until {aside.name} is deleted"
            )
            return {}


def set_aside_at(workdir: str | Path) -> float | None:
    """The time of the last time that scores were set aside, in seconds since the epoch; None where none are there."""
    times = [path.lstat().st_mtime for path in files.entries(workdir) if path.name.startswith(f"{NAME}.set-aside")]
    return max(times, default=None)


def change(workdir: str | Path, update: Callable[[Scores], None]) -> None:
    """Read the scores, let `update` change them, and write them, while no other process does.

    Raises:
        UserError: see `read` and `locked`, or `update` raises it.
    """
    with locked(workdir):
        scores = read(workdir)
        update(scores)
        files.write_atomically(Path(workdir) / NAME, json.dumps(scores, indent=2, allow_nan=False) + "\n")


@contextlib.contextmanager
def locked(workdir: str | Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a run's scores; the operating system releases it when a process ends, however it ends.

    Raises:
        UserError: another process holds it for `seconds`, or the lock file cannot be opened.
    """
    path = Path(workdir) / LOCK_NAME
    try:
        # A link at this name could make another file; a FIFO would wait for a reader.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        raise UserError(
            f"the lock file {path} cannot be opened ({error.strerror}): make the folder writable, and delete what is "
            "there under this name"
        ) from error
    try:
        _take(descriptor, path, seconds)
        yield
    finally:
        # The file stays: if it were deleted, a process that has it open and one that makes it anew could both lock.
        os.close(descriptor)


def _take(descriptor: int, path: Path, seconds: float) -> None:
    import fcntl  # does not exist on Windows

    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise UserError(f"the lock file {path} is not a regular file: delete it")
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise UserError(
                    f"another process has held {path} for {seconds:g} s: stop it, or try again when it has ended"
                ) from error
        except OSError as error:
            raise UserError(f"{path} cannot be locked ({error.strerror}): move the run to another disk") from error
        time.sleep(_POLL_SECONDS)


def _set_aside(file: Path) -> Path:
    """Rename a file to `<name>.set-aside`, and return the new path; nothing is deleted."""
    aside = files.set_aside_name(file)
    try:
        file.rename(aside)
        # Checkpoints older than this are those whose scores it may hold, see `retention`.
        os.utime(aside, follow_symlinks=False)
    except OSError as error:
        raise UserError(f"{file} cannot be renamed ({error.strerror}): make its folder writable") from error
    return aside


def _odd(scores: object) -> str | None:
    """What is wrong with the content of a file, or None."""
    if not isinstance(scores, dict):
        return "it is not a JSON object"
    for metric, entry in scores.items():
        if not metric.isprintable():
            return f"the name {metric!a} is not printable"
        values = entry.get("values") if isinstance(entry, dict) else None
        if not isinstance(values, dict):
            return f"{metric} has no values"
        if entry.get("better") not in ("lower", "higher"):
            return f"better of {metric} is neither lower nor higher"
        for step, value in values.items():
            if not _STEP.fullmatch(step):
                return f"{metric} has the step {step[:40]!a}"
            if not is_finite_number(value):
                return f"{metric} of step {step} is not a finite number"
    return None


def is_finite_number(value: object) -> bool:
    """Whether a value is an int or float, no bool, that is finite as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond float's range
        return False


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!a} is there twice")
    return found


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is not a finite number")
