"""Photos of flowers from a phone (A) <-> from a DSLR with a blurred background (B) (paper, section 5.2)."""

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.recipes import paper_experiment


def get_config() -> TrainConfig:
    """Return the paper's experiment of 200 epochs."""
    return paper_experiment("iphone2dslr_flower", identity_weight=0.5)
