"""What a run has: its checkpoints with size, scores and health, as a table."""

import time
from dataclasses import dataclass
from pathlib import Path

from cyclegan_jax.checkpoints import checkpoint as store
from cyclegan_jax.checkpoints import run as checkpoints
from cyclegan_jax.checkpoints import scores as checkpoint_scores
from cyclegan_jax.checkpoints.checkpoint import DamagedError
from cyclegan_jax.errors import UserError


@dataclass(frozen=True)
class Health:
    """One checkpoint.

    Attributes:
        step: its step.
        size: bytes on disk.
        saved: when it was saved, seconds since the epoch.
        damage: which file or array is not as it was saved, or None.
        verified: whether there were checksums to compare with; early versions wrote none.
        scores: what evaluations found, by metric.
        best_by: the metrics by which it is the run's best.
    """

    step: int
    size: int
    saved: float
    damage: str | None
    verified: bool
    scores: dict[str, float]
    best_by: list[str]

    @property
    def words(self) -> str:
        """Its health in words."""
        if self.damage is not None:
            return f"damaged: {self.damage}"
        return "ok" if self.verified else "readable; without checksums"


def examine(run: str | Path) -> list[Health]:
    """Read every checkpoint of a run and compare it with its checksums, in ascending order of steps.

    Raises:
        UserError: `run` holds no checkpoint, or its `scores.json` is not one.
    """
    folder = checkpoints.directory(run)
    steps = store.steps(folder)
    if not steps:
        raise UserError(f"{run} holds no checkpoint: name the work directory of a run, such as runs/streets")
    scores = checkpoint_scores.read(run)
    best = checkpoint_scores.best_steps(run, steps)
    found = []
    for step in steps:
        path = folder / str(step)
        damage, verified = None, True
        try:
            verified = "arrays" in store.read_metadata(path)
            checkpoints.verify(run, step)
        except DamagedError as error:
            damage = error.what
        except UserError as error:
            damage = str(error)
        of_step = {
            metric: entry["values"][str(step)] for metric, entry in scores.items() if str(step) in entry["values"]
        }
        best_by = [metric for metric, best_step in best.items() if best_step == step]
        found.append(Health(step, store.size(path), path.stat().st_mtime, damage, verified, of_step, best_by))
    return found


def table(healths: list[Health]) -> str:
    """The checkpoints in lines under a heading; the best by a metric has an asterisk."""
    metrics = sorted({metric for health in healths for metric in health.scores})
    rows = [["step", "size", "saved", *metrics, "health"]]
    for health in healths:
        scores = [_score(health, metric) for metric in metrics]
        saved = time.strftime("%Y-%m-%d %H:%M", time.localtime(health.saved))
        rows.append([f"{health.step:,}", f"{health.size / 1e6:.1f} MB", saved, *scores, health.words])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    # Numbers to the right, words to the left.
    left = {2, len(widths) - 1}
    lines = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    if metrics:
        lines.append("* the best by this score, which is kept when newer ones come")
    return "\n".join(lines)


def _score(health: Health, metric: str) -> str:
    if metric not in health.scores:
        return ""
    return f"{health.scores[metric]:.4g}" + ("*" if metric in health.best_by else " ")
