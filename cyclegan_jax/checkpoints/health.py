"""`cyclegan-jax checkpoints`: verify every checkpoint of a run, and list them with size, scores and health."""

import time
from dataclasses import dataclass
from pathlib import Path

from cyclegan_jax.checkpoints import folders, scores
from cyclegan_jax.checkpoints.on_disk import DamagedError
from cyclegan_jax.checkpoints.opened import Checkpoint
from cyclegan_jax.errors import UserError


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

    Raises:
        UserError: `run` has no checkpoints, or its `scores.json` is broken.
    """
    steps = folders.required_steps(run)
    by_metric = scores.read(run)
    best = scores.best_steps(run, steps)
    found = []
    for step in steps:
        path = folders.directory(run) / str(step)
        damage, verified = _verify(run, path)
        of_step = {
            metric: entry["values"][str(step)] for metric, entry in by_metric.items() if str(step) in entry["values"]
        }
        best_by = [metric for metric, best_step in best.items() if best_step == step]
        found.append(Health(step, folders.size(path), path.stat().st_mtime, damage, verified, of_step, best_by))
    return found


def _verify(run: str | Path, path: Path) -> tuple[str | None, bool]:
    """What is damaged in a checkpoint, or None, and whether it has checksums."""
    checkpoint = None
    damage = None
    try:
        checkpoint = Checkpoint.read(run, path)
        checkpoint.state()
    except UserError as error:
        damage = error.what if isinstance(error, DamagedError) else str(error)
    return damage, checkpoint is None or checkpoint.has_checksums


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
