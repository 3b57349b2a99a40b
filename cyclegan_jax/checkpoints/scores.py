"""`scores.json` of a run: what evaluations found of its checkpoints, and so which ones are the best."""

import json
import math
from pathlib import Path
from typing import Any

from cyclegan_jax.errors import UserError
from cyclegan_jax.files import write_atomically

Scores = dict[str, Any]
"""By metric: {"better": "lower" or "higher", "values": {step as text: value}}."""


def read(workdir: str | Path) -> Scores:
    """The scores of a run; empty where there are none.

    Raises:
        UserError: `scores.json` is not of this form.
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


def record(workdir: str | Path, step: int, metric: str, value: float, *, better: str) -> None:
    """Write a checkpoint's score down; the best checkpoint of each metric is never deleted for a newer one.

    Args:
        workdir: the run.
        step: which checkpoint.
        metric: its name, such as `fid`.
        value: finite.
        better: `lower` or `higher`.

    Raises:
        UserError: the value is no number, or the metric was recorded with the other sense.
    """
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
    """The best of some steps by each metric that scored any of them."""
    best = {}
    for metric, entry in read(workdir).items():
        sign = 1 if entry["better"] == "higher" else -1
        scored = [(sign * float(value), int(step)) for step, value in entry["values"].items() if int(step) in among]
        if scored:
            best[metric] = max(scored)[1]
    return best
