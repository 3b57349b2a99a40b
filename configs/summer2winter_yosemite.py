"""Summer <-> winter in Yosemite (paper, section 5.2: season transfer)."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.experiments import at_256_pixels


def get_config() -> TrainConfig:
    """The paper's experiment, of 200 epochs."""
    return at_256_pixels("summer2winter_yosemite")
