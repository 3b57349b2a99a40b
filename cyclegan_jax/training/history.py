"""What a run has logged so far, kept compactly in memory for the curves of its page."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from jaxtyping import Float64, Int64

from cyclegan_jax.checkpoints import metrics_file

_NO_CURVES: Final = ("step", "epoch", "time")


@dataclass
class Series:
    """One logged number over the steps."""

    _steps: "array[int]" = field(default_factory=lambda: array("q"))
    _values: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, step: int, value: float) -> None:
        """Append a value."""
        self._steps.append(step)
        self._values.append(value)

    @property
    def newest(self) -> float:
        """The last value."""
        return self._values[-1]

    def points(self) -> tuple[Int64[np.ndarray, " N"], Float64[np.ndarray, " N"]]:
        """Return the steps and the values, as copies."""
        return np.array(self._steps), np.array(self._values)


@dataclass
class History:
    """What a run has logged.

    Attributes:
        series: the logged numbers by their names in `metrics.jsonl`.
        events: the starts of the run and its warnings, as in `events.jsonl`.
        step: the last logged step.
        epoch: its epoch, from 1.
    """

    series: dict[str, Series] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    step: int = 0
    epoch: int = 1

    @classmethod
    def of_run(cls, workdir: Path) -> Self:
        """Read the history of a run from its files.

        Raises:
            UnreadableError: a file cannot be read.
        """
        history = cls()
        for line in metrics_file.read_metrics(workdir):
            history.add(line)
        history.events.extend(metrics_file.read_lines(workdir / metrics_file.EVENTS))
        return history

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line of `metrics.jsonl`; what is no number in it is left out."""
        self.step = max(self.step, line["step"])
        if isinstance(line.get("epoch"), int):
            self.epoch = line["epoch"]
        for name, value in line.items():
            if name not in _NO_CURVES and isinstance(value, int | float):
                self.series.setdefault(name, Series()).add(line["step"], value)

    def events_with(self, key: str) -> Iterable[Mapping[str, Any]]:
        """The events that have an entry `key`, such as `warning`."""
        return (event for event in self.events if key in event)
