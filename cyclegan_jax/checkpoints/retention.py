"""Deleting old checkpoints: the newest and the best by each score stay.

Extra checkpoints, saved because much time had passed since the last one, stay only while they are the newest, so that a
run keeps the same checkpoints however long its steps take.
"""

from pathlib import Path
from typing import Final

from cyclegan_jax.checkpoints import folders, on_disk, scores
from cyclegan_jax.errors import UserError

EXTRA: Final = "extra"
"""The entry in the metadata of an extra checkpoint."""


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
    extra = {step for step in steps if _is_extra(folders.directory(workdir) / str(step))}
    regular = [step for step in steps if step not in extra]
    keep = best | set(regular[-keep_newest:]) | set(steps[-1:])
    for step in steps:
        if step not in keep:
            folders.remove(folders.directory(workdir) / str(step))


def _is_extra(checkpoint: Path) -> bool:
    try:
        return EXTRA in on_disk.read_metadata(checkpoint)
    except UserError:  # damaged, or it may not be read
        return False
