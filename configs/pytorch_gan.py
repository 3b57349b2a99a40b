"""PyTorch-GAN's own settings, the seed of this project: 256 pixels, 9 blocks, on your own folders by `--data.dir`."""

import dataclasses

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.recipes import pytorch_gan


def get_config() -> TrainConfig:
    """PyTorch-GAN's recipe; it loads images at 1.12 times the crop."""
    return dataclasses.replace(pytorch_gan(), data=DataConfig(source="folder", image_size=256, load_size=287))
