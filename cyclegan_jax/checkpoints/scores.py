"""`scores.json` of a run: the scores of its checkpoints, and which checkpoint is the best by each."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from cyclegan_jax.checkpoints import folders, scores_file
from cyclegan_jax.checkpoints.scores_file import Scores, is_finite_number, read
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

_DEFAULTS: Final = ("photo_to_labels_class_iou", "labels_to_photo_class_iou", "fid_", "kid_", "paired_l1_")
"""The beginnings of the names of the scores that decide which checkpoint is the best, the first that a run has."""
_RECONSTRUCTION: Final = "cycle_l1_"

__all__ = [
    "best_of",
    "best_step",
    "best_steps",
    "deciding",
    "read",
    "record_score",
    "record_scores",
    "score_at",
    "scored_steps",
]


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


def score_at(
    scores: Scores, step: int, metric: str | None = None
) -> tuple[str, float, Literal["lower", "higher"]] | None:
    """The score of a step by one metric: its name, its value, and which values are better; None where it has none.

    Without `metric` it is the first by which `best_step` chooses, and the mean over both directions where there are
    two; never the distance of the reconstruction.
    """
    for prefix in _DEFAULTS if metric is None else (metric,):
        names = sorted(name for name in scores if (name.startswith(prefix) if metric is None else name == metric))
        names = [name for name in names if str(step) in scores[name]["values"]] or names
        # The run's own evaluations make the most; a user may have scored this step with other settings too.
        most = max((len(scores[name]["values"]) for name in names), default=0)
        names = [name for name in names if len(scores[name]["values"]) == most]
        entries = [scores[name] for name in names if str(step) in scores[name]["values"]]
        if entries:
            mean = sum(float(entry["values"][str(step)]) for entry in entries) / len(entries)
            return " + ".join(names), mean, entries[0]["better"]
        if names:  # by which other steps were scored: another one would not be comparable
            return None
    return None


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
    """Return the best step by one metric, and log which it is and why.

    Args:
        workdir: the work directory of the run.
        among: the steps to choose from.
        metric: the score that decides. None takes the first of class IoU of photo -> labels, class IoU of labels ->
            photo, FID, KID and the L1 distance to partners (these three as the mean over both directions) that the run
            has; otherwise the one metric of the user's own, or several that agree. Never the L1 distance of the
            reconstruction: copying the input wins it.

    Raises:
        UserError: there are no scores, none of that metric, only distances of the reconstruction, or the user's own
            metrics disagree.
    """
    found = read(workdir)
    best = best_of(found, among)
    if not best:
        raise UserError(f"{workdir} has no scores yet: run `cyclegan-jax evaluate --run {workdir}`, or name a step")
    if metric is not None and metric not in best:
        raise UserError(f"{workdir} was not scored by {metric}: it was by {', '.join(sorted(best))}")
    best = _by_default(found, among, best, workdir) if metric is None else {metric: best[metric]}
    if len(set(best.values())) > 1:
        listed = ", ".join(f"{name} {step}" for name, step in sorted(best.items()))
        raise UserError(
            f"the best checkpoint of {workdir} depends on the metric ({listed}): name one by metric, or the step"
        )
    step = min(best.values())
    _LOG.info(f"step {step:,} is the best of {len(among)} by {' and '.join(sorted(best))}")
    return step


def deciding(found: Scores, among: list[int]) -> tuple[str, dict[str, Any]] | None:
    """Return the score that decides which checkpoint is the best where no metric is named.

    Args:
        found: scores that have been read.
        among: the steps to choose from.

    Returns:
        Its name and its entry of the form of `Scores`, with steps as integers: the first default metric that the steps
        have, for FID and KID the mean over both directions. None where they have none.
    """
    scored = best_of(found, among)
    for prefix in _DEFAULTS:
        names = sorted(name for name in scored if name.startswith(prefix))
        if names:
            entries = [found[name] for name in names]
            shared = [step for step in among if all(str(step) in entry["values"] for entry in entries)]
            mean = {step: sum(entry["values"][str(step)] for entry in entries) / len(entries) for step in shared}
            if mean:
                return " + ".join(names), {"better": entries[0]["better"], "values": mean}
    return None


def _by_default(found: Scores, among: list[int], best: dict[str, int], workdir: str | Path) -> dict[str, int]:
    """The best step by the score that decides, or by each of the user's own."""
    decided = deciding(found, among)
    if decided is not None:
        return best_of(dict([decided]), among)
    own = {name: step for name, step in best.items() if not name.startswith(_RECONSTRUCTION)}
    if not own:
        raise UserError(
            f"{workdir} has only the L1 distance of the reconstruction ({', '.join(sorted(best))}), by which a copy of "
            f"the input is best: run `cyclegan-jax evaluate --run {workdir} --steps all --features inception`, name "
            "the score by metric all the same, or name a step"
        )
    return own
