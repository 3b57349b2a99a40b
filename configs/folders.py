"""The paper's recipe at 256 pixels with its identity loss, on your own images: `--data.dir` is their folder."""

import dataclasses

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.recipes import paper


def get_config() -> TrainConfig:
    """Return the official code's defaults: 9 blocks, batch size 1, 200 epochs, an identity loss that keeps colours."""
    base = paper()
    return dataclasses.replace(
        base,
        data=DataConfig(source="folder", image_size=256),
        loss=dataclasses.replace(base.loss, identity_weight=0.5),
    )
