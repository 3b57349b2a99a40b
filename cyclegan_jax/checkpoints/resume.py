"""What a run may change when it goes on from a checkpoint, and what it keeps."""

from pathlib import Path

from cyclegan_jax import config_dict
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

_FIXED = {
    "data.image_size",
    "data.labels",
    "data.channels_A",
    "data.channels_B",
    "data.range_A",
    "data.range_B",
    "data.name",
    "data.name_A",
    "data.name_B",
    "data.preprocess",
    "pool_size",
    "dtype",
    # The schedule counts epochs by steps times the batch size: the past would be counted anew.
    "batch_size",
    # It orders the data; the weights' seed is spent.
    "seed",
}


def changes(before: TrainConfig, after: TrainConfig, workdir: str | Path) -> list[str]:
    """The fields, as `name old -> new`, that a run which goes on has changed and may change.

    Those are logging, `steps`, learning rate and schedule, the losses, the update order, the decay of a moving average,
    precision and placement, and where the data is and how it is augmented. What decides the networks, the pool, the
    numbers' type, the kind of images, their order and the count of epochs stays.

    Args:
        before: the config of the checkpoint.
        after: the config of the run now.
        workdir: the run, for the message.

    Raises:
        UserError: a field was changed that a run keeps.
    """
    changed = config_dict.differences(before, after)
    refused = [change for change in changed if _is_fixed(change.split()[0])]
    if (before.ema_decay > 0) != (after.ema_decay > 0):
        refused.append(f"ema_decay {before.ema_decay} -> {after.ema_decay}")
    # Without the flag a fine-tuned run goes on as the same run.
    if after.init_from is not None and after.init_from != before.init_from:
        refused.append(f"init_from {before.init_from} -> {after.init_from}")
    if refused:
        raise UserError(
            f"{workdir} holds a run that was started with another config ({', '.join(refused)}): give its own values "
            f"to continue it, or start a new run from its weights by another --workdir and --init_from={workdir}"
        )
    return [change for change in changed if change.split()[0] != "init_from"]


def _is_fixed(name: str) -> bool:
    networks = name.startswith(("generator.", "discriminator.")) and name != "generator.dropout"
    return networks or name in _FIXED
