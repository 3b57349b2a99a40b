"""`cyclegan-jax compare`: the settings in which runs differ, their scores, and their curves."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cyclegan_jax import config_dict, files
from cyclegan_jax.checkpoints import scores
from cyclegan_jax.checkpoints.metrics_file import read_metrics
from cyclegan_jax.checkpoints.scores_file import Scores
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import result_files

LOSSES: Final = ("generators", "discriminators", "cycle_A", "cycle_B")
"""The losses that are drawn; the adversarial ones alone say little (docs/scores.md)."""


@dataclass(frozen=True)
class Run:
    """What is compared of a run.

    Attributes:
        name: what it is called in the table.
        config: its newest config.
        scores: its `scores.json`.
        best: by metric, the step with the best score.
        controls: by metric, the value of each control at that step, see `score_table`.
        losses: by name, pairs of step and value.
        steps: the last step that it logged, or has scores of.
    """

    name: str
    config: TrainConfig
    scores: Scores
    best: Mapping[str, int]
    controls: Mapping[str, Mapping[str, float]]
    losses: Mapping[str, list[tuple[int, float]]]
    steps: int


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read several runs, which may be training.

    Raises:
        UserError: a path is no work directory of a run, is given twice, or a file of it cannot be read.
    """
    if len(paths) < 2:
        raise UserError("compare needs at least two runs: give their work directories, such as runs/a runs/b")
    seen: dict[str, Path] = {}
    for path in paths:
        key = os.path.realpath(path)
        if key in seen:
            raise UserError(f"{path} is the same run as {seen[key]}: give each once")
        seen[key] = path
    return [_read(path, name) for path, name in zip(paths, _names(paths), strict=True)]


def _names(paths: Sequence[Path]) -> list[str]:
    """The last part of each path, or as many more as tell the runs apart."""
    parts = [path.absolute().parts for path in paths]
    for number in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-number:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def _read(path: Path, name: str) -> Run:
    file = path / "config.json"
    if not files.exists(file):
        raise UserError(f"{path} is not the work directory of a run: it has no config.json")
    try:
        config = config_dict.from_dict(json.loads(files.read_bytes(file)))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{file} cannot be read ({error}): resume the run once, which writes it again") from error
    found = scores.read(path)
    lines = read_metrics(path)
    losses = {
        loss: points
        for loss in LOSSES
        if (points := [(line["step"], line[f"loss/{loss}"]) for line in lines if f"loss/{loss}" in line])
    }
    scored = scores.scored_steps(found)
    best = scores.best_of(found, [*scored])
    controls = {step: result_files.read_controls(path, step) for step in set(best.values())}
    return Run(
        name,
        config,
        found,
        best,
        {metric: controls[step].get(metric, {}) for metric, step in best.items()},
        losses,
        max([0, *(line["step"] for line in lines), *scored]),
    )


def table(runs: Sequence[Run]) -> str:
    """A Markdown table with a column for each run: steps, the settings that differ, each best score, controls."""
    rows = [("steps", [f"{run.steps:,}" for run in runs])]
    fields = [config_dict.fields(run.config) for run in runs]
    for field in fields[0]:
        values = [_shown(run[field]) for run in fields]
        if len(set(values)) > 1:
            rows.append((field, [config_dict.cut(value) for value in values]))
    for metric in sorted({metric for run in runs for metric in run.scores}):
        rows.append((metric, _score_row(metric, runs)))
        rows += _control_rows(metric, runs)
    heading = ["", *(run.name for run in runs)]
    lines = [heading, ["---", *("---:" for _ in runs)], *([name, *cells] for name, cells in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    aligned = [
        [cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(pairs)]
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in aligned)


def _score_row(metric: str, runs: Sequence[Run]) -> list[str]:
    """Each run's best value with its step; the best of all in asterisks."""
    values = [_value(run, metric) for run in runs]
    better = next(run.scores[metric]["better"] for run in runs if metric in run.scores)
    top = (max if better == "higher" else min)((value for value in values if value is not None), default=None)
    cells = []
    for run, value in zip(runs, values, strict=True):
        text = "" if value is None else f"{value:.4g} at {run.best[metric]:,}"
        cells.append(f"**{text}**" if text and value == top else text)
    return cells


def _value(run: Run, metric: str) -> float | None:
    return float(run.scores[metric]["values"][str(run.best[metric])]) if metric in run.best else None


def _control_rows(metric: str, runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """A row for each control of a score: its value in the evaluation that gave a run its best."""
    names = dict.fromkeys(name for run in runs for name in run.controls.get(metric, {}))
    found = [run.controls.get(metric, {}) for run in runs]
    return [(f"  control: {name}", [f"{run[name]:.4g}" if name in run else "" for run in found]) for name in names]


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def curves(runs: Sequence[Run]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """The points of each panel of the figure, scores first: by title, and in it by run."""
    panels: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for metric in sorted({metric for run in runs for metric in run.scores}):
        by_run = {run.name: run.scores[metric]["values"] for run in runs if metric in run.scores}
        panels[metric] = {
            name: sorted((int(step), float(value)) for step, value in values.items()) for name, values in by_run.items()
        }
    for loss in LOSSES:
        by_loss = {run.name: run.losses[loss] for run in runs if loss in run.losses}
        if by_loss:
            panels[f"loss/{loss}"] = by_loss
    return panels
