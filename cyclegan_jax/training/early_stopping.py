"""Early stopping: the end of a run whose evaluations have brought no better score for a while.

It is decided from `scores.json` alone, so a killed run that resumes stops at the same step as one that was not killed.
"""

import logging
from collections.abc import Mapping

from cyclegan_jax.checkpoints import scores, scores_file
from cyclegan_jax.devices import distributed
from cyclegan_jax.epochs import named
from cyclegan_jax.errors import UserError
from cyclegan_jax.training.preparation import PreparedRun

_LOG = logging.getLogger(__name__)


def reason_to_stop(run: PreparedRun, step: int) -> str | None:
    """Why the run ends early at `step`, in words, or None; all processes of the run call it together."""
    if not run.config.stop_after:
        return None
    return distributed.from_first(_reason(run, step) if distributed.is_first() else None)


def _reason(run: PreparedRun, step: int) -> str | None:
    try:
        found = scores_file.read_or_set_aside(run.workdir)
    except UserError as error:
        _LOG.warning(f"it is not known whether to stop early: {error}")
        return None
    # Only the run's own evaluations up to now: a damaged checkpoint may have taken it back to an earlier step.
    steps = [other for other in scores.scored_steps(found) if other <= step and run.periods.evaluates(other)]
    decided = scores.deciding(_of_most(found, steps), steps)
    if decided is None:
        return None
    name, entry = decided
    values = {int(other): float(value) for other, value in entry["values"].items() if int(other) in steps}
    best = first_best(values, entry["better"])
    since = sum(other > best for other in values)
    if since < run.config.stop_after:
        return None
    plural = "s" if since > 1 else ""
    return (
        f"{since} evaluation{plural} without a better {name}; the best checkpoint is {named(best, run.periods.epoch)} "
        f"with {values[best]:.4g}"
    )


def first_best(values: Mapping[int, float], better: str) -> int:
    """The earliest step with the best value: an equal one later is not better.

    Args:
        values: at least one, by step.
        better: which values are better, `lower` or `higher`.
    """
    sign = 1 if better == "higher" else -1
    return min(values, key=lambda step: (-sign * values[step], step))


def _of_most(found: scores_file.Scores, steps: list[int]) -> scores_file.Scores:
    """The scores that most of the steps have: not those of single evaluations that a user made with other settings."""

    def has_most(entry: Mapping[str, Mapping[str, float]]) -> bool:
        return 2 * sum(str(step) in entry["values"] for step in steps) > len(steps)

    return {metric: entry for metric, entry in found.items() if has_most(entry)}
