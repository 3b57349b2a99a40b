"""`scores.json` of a run: the scores of its checkpoints, and which checkpoint is the best by each."""

from collections.abc import Mapping
from pathlib import Path

from cyclegan_jax.checkpoints import folders, scores_file
from cyclegan_jax.checkpoints.scores_file import Scores, is_finite_number, read
from cyclegan_jax.errors import UserError

__all__ = ["best_of", "best_step", "best_steps", "read", "record_score", "record_scores", "scored_steps"]


def record_score(workdir: str | Path, step: int, metric: str, value: float, *, better: str) -> None:
    """Write one score of a checkpoint; see `record_scores`."""
    record_scores(workdir, step, {metric: (value, better)})


def record_scores(workdir: str | Path, step: int, found: Mapping[str, tuple[float, str]]) -> None:
    """Write scores of a checkpoint, all or none; the best by each metric is kept when newer checkpoints are saved.

    Args:
        workdir: the work directory of the run.
        step: which checkpoint.
        found: by metric, such as `fid`, its finite value and which values are better, `lower` or `higher`.

    Raises:
        UserError: there is no such checkpoint, a value is not finite, earlier scores of the metric have the other
            `better`, or `scores.json` is odd or cannot be written.
    """
    folders.find(workdir, step)
    for metric, (value, better) in found.items():
        if not is_finite_number(float(value)) or better not in ("lower", "higher") or not metric.isprintable():
            raise UserError(
                f"the score {metric!r} of step {step} is {value} ({better} is better): it must be a finite number with "
                "a printable name"
            )

    def add(scores: Scores) -> None:
        for metric, (value, better) in found.items():
            entry = scores.setdefault(metric, {"better": better, "values": {}})
            if entry["better"] != better:
                raise UserError(
                    f"{workdir} has scores of {metric} of which the {entry['better']} is better, not the {better}"
                )
            entry["values"][str(step)] = float(value)

    scores_file.change(workdir, add)


def scored_steps(scores: Scores) -> set[int]:
    """The steps that have a score by any metric."""
    return {int(step) for entry in scores.values() for step in entry["values"]}


def best_steps(workdir: str | Path, among: list[int]) -> dict[str, int]:
    """The best step by each metric, of those steps in `among` that have its score; of equal ones the later."""
    return best_of(read(workdir), among)


def best_of(scores: Scores, among: list[int]) -> dict[str, int]:
    """`best_steps`, of scores that have been read."""
    best = {}
    for metric, entry in scores.items():
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
