"""Deleting old checkpoints: the newest and the best by each score stay."""

from pathlib import Path

from cyclegan_jax.checkpoints import folders, scores
from cyclegan_jax.errors import UserError


def delete_old(workdir: str | Path, keep_newest: int) -> None:
    """Delete the checkpoints of a run that are neither among the newest `keep_newest` nor the best by a score.

    Called by one process, after a save or while there is none.
    """
    steps = folders.steps(workdir)
    try:
        best = set(scores.best_steps(workdir, steps).values())
    except UserError:
        # The file of scores is broken. Training need not stop for that, but which ones are the best is unknown.
        return
    for step in steps:
        if step not in best and step not in steps[-keep_newest:]:
            folders.remove(folders.directory(workdir) / str(step))
