"""Your own images, in folders that `--data.dir` names: the paper's recipe at 256 pixels, with its identity loss."""

import dataclasses

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.recipes import paper


def get_config() -> TrainConfig:
    """The official code's defaults: 9 blocks, batches of one, 200 epochs, and an identity loss that keeps colours."""
    base = paper()
    return dataclasses.replace(
        base,
        data=DataConfig(source="folder", image_size=256),
        loss=dataclasses.replace(base.loss, identity_weight=0.5),
    )
