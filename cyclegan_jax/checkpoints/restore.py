"""Restoring the newest whole checkpoint when a run resumes; damaged ones are set aside."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

from cyclegan_jax.checkpoints import config_changes, folders, layout
from cyclegan_jax.checkpoints.failures import DamagedError
from cyclegan_jax.checkpoints.opened import Checkpoint
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices import distributed
from cyclegan_jax.errors import UserError
from cyclegan_jax.state import TrainState

_LOG = logging.getLogger(__name__)


class Restored(NamedTuple):
    """The point from which a run resumes.

    Attributes:
        state: the state after `state.step` steps.
        data_position: the data iterator's state; None where the run has seen no data yet.
        changed: the config fields, as `name old -> new`, that differ from those the checkpoint was saved with.
    """

    state: TrainState
    data_position: dict[str, Any] | None
    changed: list[str]


def restore(checkpoint: Checkpoint, config: TrainConfig, like: TrainState, *, allow_changes: bool = False) -> Restored:
    """Load the whole state of one checkpoint for a run of `config`; the arguments are those of `restore_newest`.

    Raises:
        DamagedError: an array is not what was saved.
        UserError: the config has changed in a way that `config_changes.check` refuses, or the data's image size has
            changed.
    """
    if checkpoint.is_snapshot:
        raise UserError(
            f"{checkpoint.path} is a snapshot of the generators alone, from which no run can resume: move it back to "
            "snapshots/"
        )
    changed = config_changes.check(checkpoint.config, config, checkpoint.run, allow_changes=allow_changes)
    layout.check_shapes(like, checkpoint.shapes, checkpoint.path)
    values = checkpoint.load(layout.like(layout.as_dict(like)))
    return Restored(like._replace(**values), checkpoint.metadata["data_position"], changed)


def restore_newest(
    workdir: str | Path, config: TrainConfig, like: TrainState, *, allow_changes: bool = False
) -> Restored | None:
    """Load the newest whole checkpoint of a run.

    Newer checkpoints that are damaged are logged and set aside, so that the run can save their steps again. All
    processes of a run call this together.

    Args:
        workdir: the work directory of the run.
        config: the run's config now.
        like: a state of this config; the result has its types and placement.
        allow_changes: see `config_changes.check`.

    Returns:
        None where the run has no checkpoint.

    Raises:
        UserError: the config has changed in a way that `config_changes.check` refuses, the data's image size has
            changed, or all checkpoints are damaged.
    """
    damaged: list[DamagedError] = []
    # One process lists the folder for all: on a network file system another could still see an older listing.
    for step in reversed(distributed.from_first(folders.steps(workdir))):
        try:
            checkpoint = Checkpoint.read(workdir, folders.directory(workdir) / str(step))
            restored = restore(checkpoint, config, like, allow_changes=allow_changes)
        except DamagedError as error:
            damaged.append(error)
            continue
        checkpoint.warn_if_unverified()
        for newer in damaged:
            _LOG.warning(f"{newer} and set aside: resuming from step {step:,} instead")
            if distributed.is_first():
                folders.set_aside(newer.path)
        return restored
    snapshots = distributed.from_first(folders.snapshot_steps(workdir))
    if snapshots and not damaged:
        raise UserError(
            f"{workdir} has no checkpoint to resume from, only snapshots of the generators (steps "
            f"{', '.join(map(str, snapshots))}): start a new run in another --workdir, with --init_from={workdir} "
            f"--init_step={snapshots[-1]}"
        )
    if damaged:
        # Starting again at step 0 in this folder would overwrite what a backup could still complete.
        raise UserError(
            f"{damaged[0]}, and none before it is whole: start a new run with another --workdir, or bring back a copy"
        )
    return None
