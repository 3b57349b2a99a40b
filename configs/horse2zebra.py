"""Horses <-> zebras (paper, section 5.2: object transfiguration)."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.experiments import at_256_pixels


def get_config() -> TrainConfig:
    """The paper's experiment, of 200 epochs."""
    return at_256_pixels("horse2zebra")
