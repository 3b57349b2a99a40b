"""Van Gogh's paintings <-> photos (paper, section 5.2: collection style transfer)."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.experiments import at_256_pixels


def get_config() -> TrainConfig:
    """The paper's experiment, of 200 epochs."""
    return at_256_pixels("vangogh2photo")
