"""A recipe after PyTorch-GAN: 256 pixels, 9 blocks, on your own folders by `--data.dir`."""

import dataclasses

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.recipes import pytorch_gan


def get_config() -> TrainConfig:
    """The recipe `pytorch_gan`; images are loaded at 286/256 times the crop, which is its 1.12."""
    return dataclasses.replace(pytorch_gan(), data=DataConfig(source="folder", image_size=256))
