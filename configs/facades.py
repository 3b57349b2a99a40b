"""Photos of facades (A) <-> their architectural labels (B) (paper, section 5.1.4). The test images are pairs."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.recipes import paper_experiment


def get_config() -> TrainConfig:
    """Return the paper's experiment of 200 epochs."""
    return paper_experiment("facades")
