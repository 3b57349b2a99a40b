"""`cyclegan-jax checkpoints`: verify every checkpoint of a run, and list them with size, scores and health."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from cyclegan_jax.checkpoints import folders, scores
from cyclegan_jax.checkpoints.failures import DamagedError, DeletedError
from cyclegan_jax.checkpoints.opened import Checkpoint
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import UnreadableError


@dataclass(frozen=True)
class Health:
    """The condition of one checkpoint.

    Attributes:
        step: its step.
        size: bytes on disk.
        saved: when it was saved, seconds since the epoch.
        damage: which file or array is not as it was saved, or None.
        verified: whether there were checksums to compare with; early versions wrote none.
        scores: its evaluation scores, by metric.
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

    Those that a training deletes meanwhile are left out.

    Raises:
        UserError: `run` has no checkpoints, its `scores.json` is broken, or the system does not let this process read
            a checkpoint.
    """
    while True:
        steps = folders.required_steps(run)
        by_metric = scores.read(run)
        best = scores.best_steps(run, steps)
        found = []
        for step in steps:
            of_step = {
                metric: entry["values"][str(step)]
                for metric, entry in by_metric.items()
                if str(step) in entry["values"]
            }
            best_by = [metric for metric, best_step in best.items() if best_step == step]
            with contextlib.suppress(DeletedError):
                found.append(_examine(run, step, of_step, best_by))
        # Where all were deleted, there are newer ones: a training deletes a checkpoint only after it saved another.
        if found:
            return found


def _examine(run: str | Path, step: int, of_step: dict[str, float], best_by: list[str]) -> Health:
    path = folders.directory(run) / str(step)
    checkpoint = None
    damage = None
    try:
        checkpoint = Checkpoint.read(run, path)
        checkpoint.state()
    except (DeletedError, UnreadableError):
        raise
    except UserError as error:
        damage = error.what if isinstance(error, DamagedError) else str(error)
    verified = checkpoint is None or checkpoint.has_checksums
    size = folders.size(path)
    try:
        saved = path.stat().st_mtime
    except OSError as error:
        raise DeletedError(path) from error
    return Health(step, size, saved, damage, verified, of_step, best_by)


def table(healths: list[Health]) -> str:
    """Format checkpoints as lines under a heading; an asterisk marks the best by a metric."""
    metrics = sorted({metric for health in healths for metric in health.scores})
    rows = [["step", "size", "saved", *metrics, "health"]]
    for health in healths:
        cells = [_score(health, metric) for metric in metrics]
        saved = time.strftime("%Y-%m-%d %H:%M", time.localtime(health.saved))
        rows.append([f"{health.step:,}", f"{health.size / 1e6:.1f} MB", saved, *cells, health.words])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    # Words are aligned to the left, numbers to the right.
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
