"""Deleting old checkpoints: the newest, the best by each score, and those still to be evaluated stay.

Extra checkpoints, saved because much time had passed since the last one, stay only while they are the newest, so that a
run keeps the same checkpoints however long its steps take.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from cyclegan_jax.checkpoints import folders, on_disk, scores, scores_file
from cyclegan_jax.errors import UserError

EXTRA: Final = "extra"
"""The entry in the metadata of an extra checkpoint."""


def delete_old(workdir: str | Path, keep: int, evaluates: Callable[[int], bool]) -> None:
    """Delete the checkpoints of a run that are neither new, nor the best by a score, nor still to be evaluated.

    Called by one process, after a save or while there is none.

    Args:
        workdir: the work directory of the run.
        keep: how many of the newest stay.
        evaluates: whether the run evaluates its checkpoint of a step, which then stays until it has scores.
    """
    steps = folders.steps(workdir)
    try:
        found = scores_file.read_or_set_aside(workdir)
        kept = _of_scores_set_aside(workdir, steps)
    except UserError:
        # The scores cannot be read. Training need not stop for that, but which ones are the best is unknown.
        return
    regular = [step for step in steps if not _is_extra(folders.directory(workdir) / str(step))]
    kept |= set(scores.best_of(found, steps).values()) | set(regular[-keep:]) | set(steps[-1:])
    kept |= {step for step in steps if evaluates(step)} - scores.scored_steps(found)
    for step in steps:
        if step not in kept:
            folders.remove(folders.directory(workdir) / str(step))


def _is_extra(checkpoint: Path) -> bool:
    try:
        return EXTRA in on_disk.read_metadata(checkpoint)
    except UserError:  # damaged, or it may not be read
        return False


def _of_scores_set_aside(workdir: str | Path, steps: list[int]) -> set[int]:
    """The steps whose scores may be in a file that was set aside: the best of them are unknown, so all stay."""
    time = scores_file.set_aside_at(workdir)
    if time is None:
        return set()
    return {step for step in steps if (folders.directory(workdir) / str(step)).stat().st_mtime <= time}
