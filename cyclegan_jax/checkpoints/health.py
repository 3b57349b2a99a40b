"""`cyclegan-jax checkpoints`: verify every checkpoint and snapshot of a run, and list them with scores and health."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from cyclegan_jax.checkpoints import folders, run_epochs, scores
from cyclegan_jax.checkpoints.failures import DamagedError, DeletedError
from cyclegan_jax.checkpoints.opened import Checkpoint
from cyclegan_jax.epochs import EpochLength
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import UnreadableError


@dataclass(frozen=True)
class Health:
    """The condition of one checkpoint or snapshot.

    Attributes:
        step: its step.
        epochs: the epochs done by then, in words; empty where an early version did not save how long an epoch is.
        is_snapshot: whether it is a snapshot, which holds the generators alone.
        size: bytes on disk.
        saved: when it was saved, seconds since the epoch.
        damage: which file or array is not as it was saved, or None.
        verified: whether there were checksums to compare with; early versions wrote none.
        scores: its evaluation scores, by metric.
        best_by: the metrics by which it is the run's best.
    """

    step: int
    epochs: str
    is_snapshot: bool
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
        words = "ok" if self.verified else "readable; without checksums"
        return f"{words}, snapshot" if self.is_snapshot else words


def examine(run: str | Path) -> list[Health]:
    """Read every checkpoint and snapshot of a run and compare it with its checksums, in ascending order of steps.

    Those that a training deletes meanwhile are left out.

    Raises:
        UserError: `run` has no checkpoints, its `scores.json` is broken, or the system does not let this process read
            a checkpoint.
    """
    while True:
        steps = folders.loadable_steps(run)
        length = run_epochs.of_run(run)
        by_metric = scores.read(run)
        best = scores.best_steps(run, steps)
        found = []
        places = [folders.directory(run) / str(step) for step in folders.steps(run)]
        places += [folders.snapshot_directory(run) / str(step) for step in folders.snapshot_steps(run)]
        for path in sorted(places, key=lambda path: int(path.name)):
            step = int(path.name)
            of_step = {
                metric: entry["values"][str(step)]
                for metric, entry in by_metric.items()
                if str(step) in entry["values"]
            }
            best_by = [metric for metric, best_step in best.items() if best_step == step]
            with contextlib.suppress(DeletedError):
                found.append(_examine(run, path, length, of_step, best_by))
        # Where all were deleted, there are newer ones: a training deletes a checkpoint only after it saved another.
        if found:
            return found


def _examine(
    run: str | Path, path: Path, length: EpochLength | None, of_step: dict[str, float], best_by: list[str]
) -> Health:
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
    step, is_snapshot = int(path.name), path.parent == folders.snapshot_directory(run)
    epochs = "" if length is None else length.done(step)
    return Health(step, epochs, is_snapshot, size, saved, damage, verified, of_step, best_by)


def table(healths: list[Health]) -> str:
    """Format checkpoints as lines under a heading; an asterisk marks the best by a metric."""
    metrics = sorted({metric for health in healths for metric in health.scores})
    rows = [["step", "epoch", "size", "saved", *metrics, "health"]]
    for health in healths:
        cells = [_score(health, metric) for metric in metrics]
        saved = time.strftime("%Y-%m-%d %H:%M", time.localtime(health.saved))
        rows.append([f"{health.step:,}", health.epochs, f"{health.size / 1e6:.1f} MB", saved, *cells, health.words])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    # Words are aligned to the left, numbers to the right.
    left = {3, len(widths) - 1}
    lines = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    if metrics:
        lines.append("* the best by this score, which is kept when newer ones come")
    if any(health.is_snapshot for health in healths):
        lines.append("snapshots hold the generators alone: a training resumes from a checkpoint")
    return "\n".join(lines)


def _score(health: Health, metric: str) -> str:
    if metric not in health.scores:
        return ""
    return f"{health.scores[metric]:.4g}" + ("*" if metric in health.best_by else " ")
