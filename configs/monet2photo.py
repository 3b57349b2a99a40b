"""Monet's paintings <-> photos (paper, section 5.2), with the identity loss, which keeps the paintings' colours."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.experiments import at_256_pixels


def get_config() -> TrainConfig:
    """The paper's experiment, of 200 epochs."""
    return at_256_pixels("monet2photo", identity_weight=0.5)
