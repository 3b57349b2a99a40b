"""`metrics.jsonl` and `events.jsonl` of a run: what it has logged, one JSON object a line, for other programs."""

import json
import math
from pathlib import Path
from typing import Any, Final

from cyclegan_jax import files

METRICS: Final = "metrics.jsonl"
"""The logged metrics and scores."""
EVENTS: Final = "events.jsonl"
"""The starts of the run and its warnings."""


def read_metrics(run: str | Path) -> list[dict[str, Any]]:
    """Return what a run has logged so far, in the order of its steps; the run may be training.

    `pandas.DataFrame(cyclegan_jax.read_metrics("runs/photos"))` makes a table of it.

    Args:
        run: the work directory of the run.

    Returns:
        A dictionary for each log line, with `step`, `epoch`, `time` (seconds since 1970), the losses of that step under
        `loss/`, `learning_rate`, `pairs_per_second` and so on; and one for each evaluation, with `step`, `time` and
        the scores under `eval/`. A value that was not finite is left out. Empty where nothing was logged.

    Raises:
        UnreadableError: the file cannot be read.
    """
    return read_lines(Path(run) / METRICS)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file in their order, each with `step`; empty where there is no file.

    A line that a kill or a power failure cut off is left out.

    Raises:
        UnreadableError: the file cannot be read.
    """
    if not files.exists(path):
        return []
    lines = []
    for line in files.read_bytes(path).splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and isinstance(values.get("step"), int):
            lines.append(values)
    return lines


class LinesFile:
    """Appends to such a file of a run."""

    def __init__(self, path: Path, start: int):
        """Open the file, without what an earlier process logged after step `start`, from which the run resumes.

        Raises:
            OSError: it cannot be written.
            UnreadableError: it cannot be read.
        """
        kept = [line for line in read_lines(path) if line["step"] <= start]
        files.write_atomically(path, "".join(map(_line, kept)))
        # Unbuffered: a buffer would keep what it could not write, and fail with it again when it is closed.
        self._file = path.open("ab", buffering=0)

    def write(self, values: dict[str, Any]) -> None:
        """Append a line, which other processes can read at once, and which outlives a kill of this one.

        Raises:
            OSError: for example because the disk is full.
        """
        self._file.write(_line(values).encode())

    def close(self) -> None:
        """Close the file; the lines are on the disk as far as the system has written them."""
        self._file.close()


def _line(values: dict[str, Any]) -> str:
    # JSON has no NaN, and a score may have no value.
    finite = {name: value for name, value in values.items() if not isinstance(value, float) or math.isfinite(value)}
    return json.dumps(finite, allow_nan=False) + "\n"
