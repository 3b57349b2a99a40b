"""Cityscapes labels <-> photos as in the paper (sections 5.1 and 7.2): 128 pixels, 6 blocks, no identity loss.

Point `--data.dir` at a folder with the official downloads `gtFine_trainvaltest.zip` and `leftImg8bit_trainvaltest.zip`:
they are prepared once, A with the label maps and B with the photos. Or at a folder with trainA, trainB, testA and testB
that is prepared already, with label maps in the Cityscapes colours; if they are in B, add `--data.labels=B`.
"""

import dataclasses

from cyclegan_jax.config import DataConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.recipes import paper


def get_config() -> TrainConfig:
    """The paper's experiment, scored by `cyclegan-jax evaluate`."""
    return dataclasses.replace(
        paper(),
        data=DataConfig(source="cityscapes", image_size=128, load_size=None, labels="A"),
        generator=GeneratorConfig(blocks=6, width=64, upsample="transposed"),
        checkpoint_every=5000,
        sample_every=5000,
    )
