"""Flowers by a smartphone (A) <-> by a DSLR, which blurs what is behind (B) (paper, section 5.2: photo enhancement)."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.experiments import at_256_pixels


def get_config() -> TrainConfig:
    """The paper's experiment, of 200 epochs."""
    return at_256_pixels("iphone2dslr_flower", identity_weight=0.5)
