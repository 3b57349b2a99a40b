"""Warnings about failed GAN training: each comes once per failure, and a good run has none."""

from typing import Any

import pytest

from cyclegan_jax.config import LossConfig, TrainConfig
from cyclegan_jax.training.gan_warnings import WINDOW, FailureDetector
from tests.conftest import tiny_config

GOOD = {
    "discriminator_A": 0.2,
    "discriminator_B": 0.15,
    "cycle_A": 0.1,
    "cycle_B": 0.01,
    "change_AtoB": 0.4,
    "change_BtoA": 0.3,
}


def warnings(*stretches: tuple[int, dict[str, float]], config: TrainConfig | None = None) -> list[str]:
    """All warnings of a run with the metrics `GOOD`, changed for stretches of steps."""
    detector, found, step = FailureDetector(config or tiny_config()), [], 0
    for number, metrics in stretches:
        for _ in range(number):
            step += 1
            found += detector.update(step, GOOD | metrics)
    return found


def test_a_good_run_has_no_warnings() -> None:
    assert warnings((3 * WINDOW, {})) == []


def test_a_winning_discriminator_is_reported_once() -> None:
    (line,) = warnings((4 * WINDOW, {"discriminator_B": 0.001}))
    assert line.startswith(
        f"warning: at step {WINDOW} discriminator B is winning: its mean loss over the last 500 steps is 0.001"
    )
    assert "AtoB learns little" in line


@pytest.mark.parametrize(("gan", "winning", "fair"), [("vanilla", 0.02, 0.06), ("hinge", 0.03, 0.09)])
def test_the_threshold_is_that_of_the_loss(gan: Any, winning: float, fair: float) -> None:
    config = tiny_config(loss=LossConfig(gan=gan))
    assert warnings((2 * WINDOW, {"discriminator_A": fair, "discriminator_B": 1.0}), config=config) == []
    (line,) = warnings((2 * WINDOW, {"discriminator_A": winning, "discriminator_B": 1.0}), config=config)
    assert "discriminator A is winning" in line


def test_a_critic_has_no_loss_at_which_it_wins() -> None:
    config = tiny_config(loss=LossConfig(gan="wgangp"))
    assert warnings((2 * WINDOW, {"discriminator_A": -7.0, "discriminator_B": 0.0}), config=config) == []


def test_a_short_win_is_not_reported() -> None:
    assert warnings((WINDOW, {}), (WINDOW, {"discriminator_A": 0.0}), (WINDOW, {})) == []


def test_a_second_win_is_reported_again() -> None:
    winning = {"discriminator_A": 0.001}
    assert len(warnings((2 * WINDOW, winning), (4 * WINDOW, {}), (6 * WINDOW, winning))) == 2


def test_noise_around_the_threshold_is_reported_once() -> None:
    noise = [(WINDOW, {"discriminator_A": 0.012})] * 3
    assert len(warnings((2 * WINDOW, {"discriminator_A": 0.009}), *noise)) == 1


def test_a_copying_generator_is_reported() -> None:
    (line,) = warnings((2 * WINDOW, {"change_AtoB": 0.005, "cycle_A": 0.006}))
    assert "AtoB only copies its input" in line
    assert "its images differ from it by 0.005 on average" in line


def test_little_change_with_a_large_cycle_loss_is_no_copy() -> None:
    assert warnings((2 * WINDOW, {"change_AtoB": 0.005, "cycle_A": 0.2})) == []


def test_without_change_metrics_copying_is_not_detected() -> None:
    detector = FailureDetector(tiny_config())
    metrics = {name: value for name, value in GOOD.items() if not name.startswith("change_")}
    assert [line for step in range(2 * WINDOW) for line in detector.update(step, metrics)] == []
