"""`scores.json` of a run: the scores of its checkpoints, and which checkpoint is the best by each."""

import json
import math
from pathlib import Path
from typing import Any

from cyclegan_jax.checkpoints import folders
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import write_atomically

Scores = dict[str, Any]
"""By metric: {"better": "lower" or "higher", "values": {step as text: value}}."""


def read(workdir: str | Path) -> Scores:
    """Read the scores of a run; empty where there are none.

    Raises:
        UserError: `scores.json` does not have the form of `Scores`.
    """
    file = Path(workdir) / "scores.json"
    if not file.exists():
        return {}
    try:
        scores = json.loads(file.read_text())
        for entry in scores.values():
            if entry["better"] not in ("lower", "higher"):
                raise ValueError
            _ = [(int(step), float(value)) for step, value in entry["values"].items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is not a file of scores: delete it, and evaluate the run again") from error
    return scores


def record_score(workdir: str | Path, step: int, metric: str, value: float, *, better: str) -> None:
    """Write the score of a checkpoint; the best checkpoint of each metric is not deleted when newer ones are saved.

    Args:
        workdir: the work directory of the run.
        step: which checkpoint.
        metric: its name, such as `fid`.
        value: finite.
        better: `lower` or `higher`.

    Raises:
        UserError: there is no such checkpoint, the value is not finite, or earlier scores of the metric have the other
            `better`.
    """
    folders.find(workdir, step)
    if not math.isfinite(value) or better not in ("lower", "higher"):
        raise UserError(
            f"the score {metric} of step {step} is {value} ({better} is better): it must be a finite number"
        )
    scores = read(workdir)
    entry = scores.setdefault(metric, {"better": better, "values": {}})
    if entry["better"] != better:
        raise UserError(f"{workdir} has scores of {metric} of which the {entry['better']} is better, not the {better}")
    entry["values"][str(step)] = float(value)
    write_atomically(Path(workdir) / "scores.json", json.dumps(scores, indent=2) + "\n")


def best_steps(workdir: str | Path, among: list[int]) -> dict[str, int]:
    """The best step by each metric, of those steps in `among` that have its score; of equal ones the later."""
    best = {}
    for metric, entry in read(workdir).items():
        sign = 1 if entry["better"] == "higher" else -1
        scored = [(sign * float(value), int(step)) for step, value in entry["values"].items() if int(step) in among]
        if scored:
            best[metric] = max(scored)[1]
    return best


def best_step(workdir: str | Path, among: list[int], metric: str | None = None) -> int:
    """The best step by one metric; None where the run was scored by one metric only, or all metrics agree.

    Raises:
        UserError: there are no scores, none of that metric, or the metrics disagree.
    """
    best = best_steps(workdir, among)
    if not best:
        raise UserError(f"{workdir} has no scores yet: run `cyclegan-jax evaluate --run {workdir}`, or name a step")
    if metric is not None and metric not in best:
        raise UserError(f"{workdir} was not scored by {metric}: it was by {', '.join(sorted(best))}")
    candidates = {metric: best[metric]} if metric is not None else best
    if len(set(candidates.values())) > 1:
        found = ", ".join(f"{name} {step}" for name, step in sorted(candidates.items()))
        raise UserError(
            f"the best checkpoint of {workdir} depends on the metric ({found}): name one by metric, or the step"
        )
    return next(iter(candidates.values()))
