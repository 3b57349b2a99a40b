"""Scores as tables: a model's row and those of its controls, for people, for JSON, and to choose a checkpoint by."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Column:
    """One score.

    Attributes:
        name: its key in JSON.
        title: its heading.
        better: which is better; None where neither is.
        record: the name under which the best checkpoint by it is kept, or None.
        digits: decimals that are shown.
    """

    name: str
    title: str
    better: Better | None
    record: str | None = None
    digits: int = 3


@dataclass(frozen=True)
class ScoreTable:
    """The scores of one question.

    Attributes:
        key: its name in JSON and TensorBoard.
        title: the heading of its first column.
        columns: the scores.
        rows: by name; the first is the model's, the others are controls. A value is None where there is none.
        notes: sentences below it.
        details: what JSON holds of it besides.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[float | None, ...]]
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] | None = None

    @property
    def model(self) -> dict[str, float]:
        """The model's scores by name, those that it has."""
        values = next(iter(self.rows.values()))
        pairs = zip(self.columns, values, strict=True)
        return {column.name: value for column, value in pairs if value is not None and math.isfinite(value)}

    def records(self, suffix: str = "") -> dict[str, tuple[float, Better]]:
        """The scores by which the best checkpoint is kept, and which is better, by their names and `suffix`."""
        scores = self.model
        return {
            column.record + suffix: (scores[column.name], column.better)
            for column in self.columns
            if column.record is not None and column.better is not None and column.name in scores
        }

    def to_json(self) -> dict[str, Any]:
        """Each row, the first as `model`, as a dictionary of its scores rounded to six digits; and the details."""

        def rounded(value: float | None) -> float | None:
            return None if value is None or not math.isfinite(value) else round(value, 6)

        names = [column.name for column in self.columns]
        keys = ["model", *(title.replace(" ", "_") for title in list(self.rows)[1:])]
        rows = {
            key: dict(zip(names, map(rounded, values), strict=True))
            for key, values in zip(keys, self.rows.values(), strict=True)
        }
        return {**rows, **(self.details or {})}

    def markdown(self) -> str:
        """A Markdown table, with the notes below it."""
        rows = [
            [row, *(decimal(value, column.digits) for value, column in zip(values, self.columns, strict=True))]
            for row, values in self.rows.items()
        ]
        return "\n\n".join([markdown([self.title, *(column.title for column in self.columns)], rows), *self.notes])


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, words to the left and numbers, in all columns but the first, to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for first, *numbers in (header, rule, *rows):
        cells = [first.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
