"""Which config fields a resumed run may change, and which it must keep."""

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
    # The schedule computes the epoch from steps times batch size: another one would change the epochs already done.
    "batch_size",
    # The data's order depends on it: a resumed run would see another permutation.
    "seed",
}


def check(before: TrainConfig, after: TrainConfig, workdir: str | Path) -> list[str]:
    """Compare the config of a checkpoint with that of the run that resumes from it.

    A run may change logging, `steps`, learning rate and schedule, the losses, the update order, the decay of a moving
    average, precision and placement, where the data is and how it is augmented. It must keep the networks, the pool,
    the dtype, the kind of the images and their order, and the batch size.

    Args:
        before: the config of the checkpoint.
        after: the config of the run now.
        workdir: the run, for the message.

    Returns:
        The changed fields, as `name old -> new`.

    Raises:
        UserError: a field was changed that a run must keep.
    """
    changed = config_dict.differences(before, after)
    refused = [change for change in changed if _is_fixed(change.split()[0])]
    if (before.ema_decay > 0) != (after.ema_decay > 0):
        refused.append(f"ema_decay {before.ema_decay} -> {after.ema_decay}")
    # `init_from` matters at step 0 only, so the command that resumes may leave it out, but not name another run.
    if after.init_from is not None and after.init_from != before.init_from:
        refused.append(f"init_from {before.init_from} -> {after.init_from}")
    if refused:
        raise UserError(
            f"{workdir} holds a run that was started with another config ({', '.join(refused)}): give its own values "
            f"to resume it, or start a new run from its weights by another --workdir and --init_from={workdir}"
        )
    return [change for change in changed if change.split()[0] != "init_from"]


def _is_fixed(name: str) -> bool:
    networks = name.startswith(("generator.", "discriminator.")) and name != "generator.dropout"
    return networks or name in _FIXED
