"""Which config fields a resumed run may change: freely, when its user allows it, or never."""

import dataclasses
from pathlib import Path, PurePath
from typing import Any, Final, Literal

from cyclegan_jax import config_dict
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data_config import AugmentConfig
from cyclegan_jax.errors import UserError

FREE: Final = {
    # How long, how and where it runs, and what it writes.
    "steps",
    "precision",
    "remat",
    "steps_per_dispatch",
    "parallel",
    "log_every",
    "sample_every",
    "sample_minutes",
    "checkpoint_every",
    "checkpoint_minutes",
    "keep_checkpoints",
    "snapshot_every",
    "eval_every",
    "stop_after",
    "eval_images",
    "eval_features",
    "wandb",
    # Where the data is, and how it is read.
    "data.dir",
    "data.train_A",
    "data.train_B",
    "data.test_A",
    "data.test_B",
    "data.on_error",
    "data.bands_A",
    "data.bands_B",
    "data.cache_gib",
    "data.threads",
    # Have a rule of their own.
    "init_from",
    "init_step",
}
"""Fields that leave the experiment as it is."""
WHEN_ALLOWED: Final = {
    "data.source",
    "data.load_size",
    "data.flip",
    *(f"data.augment_{domain}.{item.name}" for domain in "AB" for item in dataclasses.fields(AugmentConfig)),
    "generator.dropout",
    "loss.cycle_weight_A",
    "loss.cycle_weight_B",
    "loss.identity_weight",
    "loss.identity",
    "loss.domains",
    "loss.discriminator_domains",
    "loss.gan",
    "loss.extra",
    "loss.extra_weight",
    "loss.gradient_penalty",
    "loss.gradient_penalty_weight",
    "loss.gradient_penalty_every",
    "discriminator.augment",
    "discriminator.every",
    "optimizer.learning_rate",
    "optimizer.discriminator_learning_rate",
    "optimizer.beta1",
    "optimizer.beta2",
    "optimizer.eps",
    "optimizer.kind",
    "optimizer.weight_decay",
    "optimizer.clip",
    "optimizer.constant_epochs",
    "optimizer.decay_epochs",
    "optimizer.schedule",
    "optimizer.step_epochs",
    "optimizer.plateau_score",
    "optimizer.plateau_patience",
    "optimizer.warmup_steps",
    "update_first",
    "ema_decay",
}
"""Fields that make another experiment of a run, which its state allows."""
FIXED: Final = {
    "data.image_size",
    "data.labels",
    "data.palette",
    "data.channels_A",
    "data.channels_B",
    "data.range_A",
    "data.range_B",
    "data.name",
    "data.name_A",
    "data.name_B",
    "data.preprocess",
    "data.max_images",
    "data.shuffle",
    "generator.blocks",
    "generator.width",
    "generator.upsample",
    "generator.norm",
    "generator.kind",
    "generator.depth",
    "generator.antialias",
    "discriminator.kind",
    "discriminator.n_layers",
    "discriminator.width",
    "discriminator.norm",
    "discriminator.antialias",
    "pool_size",
    "dtype",
    "init",
    "init_gain",
    # The schedule computes the epoch from steps times pairs per step: others would change the epochs already done.
    "batch_size",
    "accumulate",
    # The data's order depends on it: a resumed run would see another permutation.
    "seed",
}
"""Fields that the state, or the place in the data, depends on."""


_OF_SCORES: Final = {"eval_every", "eval_images", "eval_features"}
"""Fields that decide the scores, which the schedule `plateau` follows; free with all other schedules."""


def check(before: TrainConfig, after: TrainConfig, workdir: str | Path, *, allow_changes: bool = False) -> list[str]:
    """Compare the config of a checkpoint with that of the run that resumes from it.

    Args:
        before: the config of the checkpoint.
        after: the config of the run now.
        workdir: the run, for the message.
        allow_changes: accept changes of the fields in `WHEN_ALLOWED`.

    Returns:
        The changed fields, as `name old -> new`.

    Raises:
        UserError: a field was changed that the run must keep, or, without `allow_changes`, one that makes another
            experiment of it.
    """
    changed = config_dict.changes(before, after)
    kinds = {name: _kind(name, old, new) for name, (old, new) in changed.items()}
    if before.optimizer.schedule == "plateau":
        kinds |= dict.fromkeys(kinds.keys() & _OF_SCORES, "when allowed")
    fixed, when_allowed = ([name for name in kinds if kinds[name] == kind] for kind in ("fixed", "when allowed"))
    if fixed or (when_allowed and not allow_changes):
        listed = ", ".join(config_dict.shown(changed, fixed or when_allowed))
        allow = "" if fixed else ", add --allow_changes to continue it with these"
        raise UserError(
            f"{workdir} holds a run that was started with another config ({listed}): give its own values to resume it"
            f"{allow}, or start a new run by another --workdir, from its weights with --init_from={workdir}"
        )
    return config_dict.shown(changed, changed.keys() - {"init_from", "init_step"})


def _kind(name: str, old: Any, new: Any) -> Literal["free", "when allowed", "fixed"]:
    # The state has an average, or it has none.
    if name == "ema_decay" and (old > 0) != (new > 0):
        return "fixed"
    # The state remembers the scores, or it has none.
    if name == "optimizer.schedule" and "plateau" in (old, new):
        return "fixed"
    # It matters at step 0 only: the command that resumes may leave it out, but not name another run.
    if name == "init_from":
        return "free" if new is None or _same_run(old, new) else "fixed"
    if name == "init_step":
        return "free" if new is None else "fixed"
    if name in FREE:
        return "free"
    return "when allowed" if name in WHEN_ALLOWED else "fixed"


def _same_run(old: str | None, new: str) -> bool:
    """Whether two paths may name one run: earlier versions kept a relative path as it was typed."""
    if old is None:
        return False
    parts = PurePath(old).parts
    return old == new or (not PurePath(old).is_absolute() and PurePath(new).parts[-len(parts) :] == parts)
