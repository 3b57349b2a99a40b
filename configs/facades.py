"""Photos of facades (A) <-> their architectural labels (B) (paper, section 5.1.4). The test images are pairs."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.experiments import at_256_pixels


def get_config() -> TrainConfig:
    """The paper's experiment, of 200 epochs."""
    return at_256_pixels("facades")
