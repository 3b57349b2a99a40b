"""The lowest and highest value of each number in a config: far beyond sensible ones, but below what stalls a machine.

Within them a run can still need more memory than there is; `training.memory_estimate` compares the two.
"""

from collections.abc import Mapping
from typing import Final

from cyclegan_jax.config_checks import Limits

MOST_STEPS: Final = 2**31 - 1
"""The state counts steps in int32."""

_EVERY: Final = Limits(1, 10**12)

LIMITS: Final[Mapping[str, Limits]] = {
    "data.image_size": Limits(8, 16_384),
    "data.load_size": Limits(8, 32_768),
    **{
        f"data.augment_{domain}.{name}": Limits(0, highest)
        for domain in "AB"
        for name, highest in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("hue", 0.5))
    },
    "data.range_A": Limits(-1e20, 1e20),
    "data.range_B": Limits(-1e20, 1e20),
    "data.channels_A": Limits(1, 64),
    "data.channels_B": Limits(1, 64),
    "data.bands_A": Limits(1, 64),
    "data.bands_B": Limits(1, 64),
    "data.max_images": Limits(1, 10**12),
    "data.cache_gib": Limits(0, 10**6),
    "data.threads": Limits(1, 1024),
    "generator.blocks": Limits(0, 1000),
    "generator.width": Limits(1, 4096),
    "generator.depth": Limits(2, 12),
    "generator.dropout": Limits(0, 1, without="highest"),
    "discriminator.n_layers": Limits(1, 8),
    "discriminator.width": Limits(1, 4096),
    "discriminator.every": Limits(1, 10**6),
    "loss.cycle_weight_A": Limits(0, 10**9),
    "loss.cycle_weight_B": Limits(0, 10**9),
    "loss.identity_weight": Limits(0, 10**9),
    "loss.extra_weight": Limits(0, 10**9),
    "loss.gradient_penalty_weight": Limits(0, 10**9, without="lowest"),
    "loss.gradient_penalty_every": Limits(1, 10**6),
    "optimizer.learning_rate": Limits(0, 1e20),
    "optimizer.discriminator_learning_rate": Limits(0, 1e20),
    "optimizer.beta1": Limits(0, 1, without="highest"),
    "optimizer.beta2": Limits(0, 1, without="highest"),
    "optimizer.eps": Limits(0, 1000, without="lowest"),
    "optimizer.weight_decay": Limits(0, 1000),
    "optimizer.clip": Limits(0, 1e20),
    "optimizer.constant_epochs": Limits(0, 10**9),
    "optimizer.decay_epochs": Limits(0, 10**9),
    "optimizer.step_epochs": Limits(1, 10**9),
    "optimizer.plateau_patience": Limits(0, 10**6),
    "optimizer.warmup_steps": Limits(0, MOST_STEPS),
    "batch_size": Limits(1, 10**5),
    "accumulate": Limits(1, 10**4),
    "steps": Limits(1, MOST_STEPS),
    "seed": Limits(0, 2**31 - 1),
    "init_gain": Limits(0, 1000, without="lowest"),
    "pool_size": Limits(0, 10**6),
    "ema_decay": Limits(0, 1, without="highest"),
    "steps_per_dispatch": Limits(1, 10**4),
    "log_every": _EVERY,
    "sample_every": _EVERY,
    "sample_minutes": Limits(0, 10**6),
    "checkpoint_every": _EVERY,
    "checkpoint_minutes": Limits(0, 10**6),
    "keep_checkpoints": _EVERY,
    "snapshot_every": Limits(0, 10**12),
    "eval_every": Limits(0, 10**12),
    "stop_after": Limits(0, 10**9),
    "eval_images": Limits(2, 10**9),
    "init_step": Limits(0, MOST_STEPS),
}
"""By the field's name as the user writes it; of a tuple, the limits of each of its values; of a number of steps or
epochs, those of steps."""
