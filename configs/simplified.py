"""A simplified recipe at 256 pixels on your own images: discriminators first, no pool, identity loss on the input."""

import dataclasses

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.recipes import simplified


def get_config() -> TrainConfig:
    """Return the recipe `simplified`; `--data.dir` is the folder of the images."""
    return dataclasses.replace(simplified(), data=DataConfig(source="folder", image_size=256))
