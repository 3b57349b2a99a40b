"""Score tables: a row for the model and a row per control, as Markdown, as JSON, and as records of a checkpoint."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Column:
    """One score.

    Attributes:
        name: the key in JSON.
        title: the heading in Markdown.
        better: the direction that is better; None if neither is.
        record: the name of the score in the run's records, which keep the best checkpoint by it; None keeps none.
        digits: the number of decimals in Markdown.
    """

    name: str
    title: str
    better: Better | None
    record: str | None = None
    digits: int = 3


@dataclass(frozen=True)
class ScoreTable:
    """The scores of one question, such as how well a domain's images are reconstructed.

    Attributes:
        key: the table's name in JSON and TensorBoard.
        title: the heading of the first column.
        columns: the scores.
        rows: one value per column, by row name; the first row is the model, the others are controls. None is a value
            that does not exist.
        notes: paragraphs below the table in Markdown.
        details: further entries of the table in JSON.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[float | None, ...]]
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] | None = None

    @property
    def model(self) -> dict[str, float]:
        """The model's scores by column name, without those that do not exist or are not finite."""
        values = next(iter(self.rows.values()))
        pairs = zip(self.columns, values, strict=True)
        return {column.name: value for column, value in pairs if value is not None and math.isfinite(value)}

    def records(self, suffix: str = "") -> dict[str, tuple[float, Better]]:
        """Return the scores that choose the best checkpoint, by record name + `suffix`, with the better direction."""
        scores = self.model
        return {
            column.record + suffix: (scores[column.name], column.better)
            for column in self.columns
            if column.record is not None and column.better is not None and column.name in scores
        }

    def controls(self, suffix: str = "") -> dict[str, dict[str, float]]:
        """Return the controls' scores by the record name of the model's score, and by the control's title."""
        return {
            column.record + suffix: {
                title: round(value, 6)
                for title, row in list(self.rows.items())[1:]
                if (value := row[index]) is not None and math.isfinite(value)
            }
            for index, column in enumerate(self.columns)
            if column.record is not None and column.record + suffix in self.records(suffix)
        }

    def to_json(self) -> dict[str, Any]:
        """Return each row, the first as `model`, as a dictionary of scores rounded to six decimals; and the details."""

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
        """Return a Markdown table, with the notes below it."""
        rows = [
            [row, *(decimal(value, column.digits) for value, column in zip(values, self.columns, strict=True))]
            for row, values in self.rows.items()
        ]
        return "\n\n".join([markdown([self.title, *(column.title for column in self.columns)], rows), *self.notes])


def decimal(value: float | None, digits: int = 3) -> str:
    """Format a number with `digits` decimals, and a missing or non-finite one as a dash."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, aligned in plain text too: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for first, *numbers in (header, rule, *rows):
        cells = [first.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
