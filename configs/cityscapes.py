"""Cityscapes labels (A) <-> photos (B) as in the paper (section 5.1, appendix 7): 128 pixels, no identity loss.

`--data.dir` is a folder with the official downloads `gtFine_trainvaltest.zip` and `leftImg8bit_trainvaltest.zip`. The
first run prepares them, with the label maps as A and the photos as B. It can also be a prepared folder with trainA,
trainB, testA and testB, whose label maps have the Cityscapes colours; if the label maps are B, add `--data.labels=B`.
"""

import dataclasses

from cyclegan_jax.config import DataConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.recipes import paper


def get_config() -> TrainConfig:
    """Return the paper's experiment; `cyclegan-jax evaluate` computes its scores."""
    return dataclasses.replace(
        paper(),
        data=DataConfig(source="cityscapes", image_size=128, load_size=None, labels="A"),
        generator=GeneratorConfig(blocks=6, width=64, upsample="transposed"),
        checkpoint_every=5000,
        sample_every=5000,
    )
