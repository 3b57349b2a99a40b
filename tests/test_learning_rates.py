"""The learning rate's epochs, decay factors and end, its warm-up, and the plateau's state."""

import numpy as np
import pytest

from cyclegan_jax.config import OptimizerConfig, TrainConfig
from cyclegan_jax.learning_rates import factor
from cyclegan_jax.optimizer import rates


def factors(config: OptimizerConfig, steps: list[int], batch_size: int = 1, epoch_images: int = 10) -> list[float]:
    return [float(factor(config, step, batch_size=batch_size, epoch_images=epoch_images)) for step in steps]


def test_official_decay_starts_within_its_first_epoch() -> None:
    config = OptimizerConfig(constant_epochs=2, decay_epochs=3, schedule="official")
    # Epochs 0 to 4, then past the end.
    assert factors(config, [0, 19, 20, 30, 40, 49, 50, 10_000]) == pytest.approx(
        [1, 1, 3 / 4, 2 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 4]
    )


def test_pytorch_gan_decay_starts_an_epoch_later() -> None:
    config = OptimizerConfig(constant_epochs=2, decay_epochs=3, schedule="pytorch_gan")
    assert factors(config, [0, 20, 29, 30, 40, 50]) == pytest.approx([1, 1, 1, 2 / 3, 1 / 3, 1 / 3])


def test_cosine_decay_follows_the_constant_epochs() -> None:
    config = OptimizerConfig(constant_epochs=2, decay_epochs=3, schedule="cosine")
    assert factors(config, [0, 20, 30, 49, 50]) == pytest.approx([1, 1, 3 / 4, 1 / 4, 1 / 4])


def test_steps_are_counted_over_the_whole_schedule() -> None:
    config = OptimizerConfig(constant_epochs=2, decay_epochs=3, schedule="step", step_epochs=2)
    assert factors(config, [0, 19, 20, 39, 40, 10_000]) == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert factors(OptimizerConfig(schedule="constant"), [0, 1500, 10_000]) == [1, 1, 1]


def test_warm_up_multiplies_the_schedule() -> None:
    config = OptimizerConfig(constant_epochs=1, decay_epochs=1, schedule="official", warmup_steps=20)
    assert factors(config, [0, 4, 9, 10, 18, 19, 30]) == pytest.approx(
        [1 / 20, 5 / 20, 10 / 20, 11 / 40, 19 / 40, 1 / 2, 1 / 2]
    )


def test_both_rates_follow_the_schedule() -> None:
    chosen = OptimizerConfig(learning_rate=2e-4, constant_epochs=1, decay_epochs=1)
    one = rates(TrainConfig(optimizer=chosen), 10, epoch_images=10)
    assert one.generators is one.discriminators
    chosen = OptimizerConfig(learning_rate=2e-4, discriminator_learning_rate=8e-4, constant_epochs=1, decay_epochs=1)
    # Five parts of two pairs are an epoch of ten.
    two = rates(TrainConfig(optimizer=chosen, batch_size=2, accumulate=5), 1, epoch_images=10)
    assert [float(rate) for rate in two] == pytest.approx([1e-4, 4e-4])


def test_epochs_count_images_and_not_steps() -> None:
    config = OptimizerConfig(constant_epochs=1, decay_epochs=1, schedule="official")
    for batch_size in (1, 2, 4, 8):
        seen = [step * batch_size for step in range(40)]
        assert factors(config, list(range(40)), batch_size, 16) == pytest.approx([1 if n < 16 else 0.5 for n in seen])
    # A batch that does not divide the epoch: 3 images per step, 10 per epoch, so step 4 begins with image 12.
    assert factors(config, [3, 4], 3, 10) == pytest.approx([1, 0.5])


def test_long_runs_do_not_overflow() -> None:
    config = OptimizerConfig(constant_epochs=100_000, decay_epochs=100_000, warmup_steps=2**31 - 1)
    assert factors(config, [2**30], batch_size=64, epoch_images=2_000_000) == pytest.approx([0.5])
    assert factors(config, [2**31 - 2], batch_size=1, epoch_images=2_000_000) == pytest.approx([1.0])


def test_no_decay_epochs_keeps_the_rate() -> None:
    for schedule in ("official", "pytorch_gan", "cosine"):
        config = OptimizerConfig(constant_epochs=2, decay_epochs=0, schedule=schedule)
        assert np.allclose(factors(config, [0, 15, 25, 500]), 1)
