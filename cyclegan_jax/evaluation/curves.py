"""Each score over the evaluated checkpoints of a run, with its controls and its best step."""

from collections.abc import Mapping
from dataclasses import dataclass

from cyclegan_jax.evaluation.results import Results
from cyclegan_jax.evaluation.score_table import Better, ScoreTable


@dataclass(frozen=True)
class Curve:
    """One score over the steps.

    Attributes:
        title: the table and the column of the score.
        values: the score by step.
        best: the step with the best value; of equal values the later step.
        controls: the values of the controls by name.
        digits: the number of decimals to show.
    """

    title: str
    values: Mapping[int, float]
    best: int
    controls: Mapping[str, float]
    digits: int


def score_curves(found: Mapping[int, Results]) -> list[Curve]:
    """Return the curves of all scores of which one direction is better, from the results by step."""
    curves = []
    newest = found[max(found)]
    for table in newest.tables:
        for position, column in enumerate(table.columns):
            name = f"{table.key}/{column.name}"
            values = {step: results.scores[name] for step, results in found.items() if name in results.scores}
            if not values or column.better is None:
                continue
            curves.append(
                Curve(
                    title=f"{table.title}: {column.title}",
                    values=values,
                    best=_best(values, column.better),
                    controls=_controls(table, position),
                    # Between checkpoints the differences are small: one table's three digits would hide them.
                    digits=max(4, column.digits),
                )
            )
    return curves


def _controls(table: ScoreTable, position: int) -> dict[str, float]:
    """Return one column of the control rows that are the same at every step."""
    return {
        row: value
        for row, cells in list(table.rows.items())[1:]
        # The shuffled score depends on the step's own outputs.
        if row != "shuffled" and (value := cells[position]) is not None
    }


def _best(values: Mapping[int, float], better: Better) -> int:
    sign = 1 if better == "higher" else -1
    return max(values, key=lambda step: (sign * values[step], step))
