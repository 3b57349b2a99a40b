"""Deleting old checkpoints: the newest, the best by each score, and those still to be evaluated stay."""

from pathlib import Path

from cyclegan_jax.checkpoints import folders, scores, scores_file
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError


def delete_old(workdir: str | Path, config: TrainConfig) -> None:
    """Delete the checkpoints of a run that are neither new, nor the best by a score, nor still to be evaluated.

    Called by one process, while nothing is being saved.

    Args:
        workdir: the work directory of the run.
        config: the experiment; its newest `keep_checkpoints` stay.
    """
    steps = folders.steps(workdir)
    try:
        found = scores_file.read_or_set_aside(workdir)
        kept = _of_scores_set_aside(workdir, steps)
    except UserError:
        # The scores cannot be read. Training need not stop for that, but which ones are the best is unknown.
        return
    kept |= set(scores.best_of(found, steps).values()) | set(steps[-config.keep_checkpoints :])
    kept |= {step for step in steps if config.evaluates(step)} - scores.scored_steps(found)
    for step in steps:
        if step not in kept:
            folders.remove(folders.directory(workdir) / str(step))


def _of_scores_set_aside(workdir: str | Path, steps: list[int]) -> set[int]:
    """The steps whose scores may be in a file that was set aside: the best of them are unknown, so all stay."""
    time = scores_file.set_aside_at(workdir)
    if time is None:
        return set()
    return {step for step in steps if (folders.directory(workdir) / str(step)).stat().st_mtime <= time}
