"""The recipe of PyTorch-GAN's cyclegan.py at 256 pixels, on your own images: `--data.dir` is their folder."""

import dataclasses

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.recipes import pytorch_gan


def get_config() -> TrainConfig:
    """Return the recipe `pytorch_gan`; its images are resized to 1.12 times the crop, 286 pixels."""
    return dataclasses.replace(pytorch_gan(), data=DataConfig(source="folder", image_size=256))
