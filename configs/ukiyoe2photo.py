"""Ukiyo-e prints <-> photos (paper, section 5.2: collection style transfer)."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.recipes import paper_experiment


def get_config() -> TrainConfig:
    """Return the paper's experiment of 200 epochs."""
    return paper_experiment("ukiyoe2photo")
