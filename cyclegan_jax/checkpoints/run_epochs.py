"""How long an epoch of a saved run is, and which checkpoint ends an epoch: `--step epoch:120`."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclegan_jax import config_dict
from cyclegan_jax.checkpoints import folders, on_disk
from cyclegan_jax.checkpoints.failures import DamagedError, DeletedError
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.config_checks import shown
from cyclegan_jax.epochs import EpochLength, end_of_epoch, named
from cyclegan_jax.errors import UserError
from cyclegan_jax.periods import epoch_length


def of_checkpoint(config: TrainConfig, metadata: Mapping[str, Any]) -> EpochLength | None:
    """The length of an epoch by a checkpoint's metadata, whose position in the data has the numbers of images.

    None where an early version saved it without them, and at step 0 of an imported run, which has seen no data.
    """
    position = metadata.get("data_position") or {}
    images_A, images_B = position.get("images_A"), position.get("images_B")
    return None if images_A is None or images_B is None else epoch_length(config, images_A, images_B)


def of_run(run: str | Path) -> EpochLength | None:
    """The length of an epoch by the newest checkpoint or snapshot that tells it; None where none does."""
    for step in reversed(folders.loadable_steps(run)):
        with contextlib.suppress(DamagedError, DeletedError):
            metadata = on_disk.read_metadata(folders.find(run, step))
            found = of_checkpoint(config_dict.from_dict(metadata["config"]), metadata)
            if found is not None:
                return found
    return None


def step_of(run: str | Path, text: str) -> int:
    """The step of the checkpoint or snapshot that `epoch:N` stands for: the one that ends the epoch N.

    Raises:
        UserError: the text has another form, there is no such checkpoint, or the length of an epoch is not known.
    """
    number = end_of_epoch(text)
    if number is None:
        need = "a step, such as 400, the end of an epoch, such as epoch:20, or best"
        raise UserError(f"step is {shown(text)}, but it must be {need}")
    present = folders.loadable_steps(run)
    length = of_run(run)
    if length is None:
        raise UserError(
            f"step is {text}, but the checkpoints of {run} do not say how many images an epoch has, since an early "
            f"version wrote them: give a step ({', '.join(map(str, present))})"
        )
    step = length.end(number)
    if step not in present:
        raise UserError(
            f"{run} has no checkpoint of the end of {text.replace(':', ' ')}, which is step {step:,}; it has "
            f"{', '.join(named(other, length) for other in present)}"
        )
    return step
