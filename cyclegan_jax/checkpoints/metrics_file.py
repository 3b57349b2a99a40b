"""`metrics.jsonl` of a run: the logged metrics and scores, one JSON object a line, for programs of one's own."""

import json
import math
from pathlib import Path
from typing import Any, Final

from cyclegan_jax import files

NAME: Final = "metrics.jsonl"


def read(workdir: str | Path) -> list[dict[str, Any]]:
    """The lines of a run's file in their order, each with `step`; empty where there is none.

    A line that a kill or a power failure cut off is left out.

    Raises:
        UnreadableError: the file cannot be read.
    """
    path = Path(workdir) / NAME
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


class MetricsFile:
    """Appends to the file of a run."""

    def __init__(self, workdir: Path, start: int):
        """Open the file, without what an earlier process logged after step `start`, from which the run resumes.

        Raises:
            OSError: it cannot be written.
            UnreadableError: it cannot be read.
        """
        path = workdir / NAME
        kept = [line for line in read(workdir) if line["step"] <= start]
        files.write_atomically(path, "".join(map(_line, kept)))
        # Unbuffered: a buffer would keep what it could not write, and fail with it again when it is closed.
        self._file = path.open("ab", buffering=0)

    def write(self, values: dict[str, Any]) -> None:
        """Append a line, which other processes can read at once.

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
    return json.dumps(finite) + "\n"
