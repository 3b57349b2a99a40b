"""The paper's experiments on its own data sets, so that their config files hold what is particular to each."""

import dataclasses

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.recipes import paper


def at_256_pixels(name: str, *, identity_weight: float = 0.0) -> TrainConfig:
    """The paper's recipe on one of its data sets: 256 pixels of 286, 9 blocks, batches of one, 200 epochs.

    Args:
        name: a set that `data.source=tfds` knows, such as `horse2zebra`.
        identity_weight: the paper takes 0.5 where a painting or a photograph is to keep its colours, which are Monet's
            paintings to photos and flowers, and none elsewhere (paper, section 5.2 and appendix 7.2). The official
            PyTorch code has 0.5 for every set.
    """
    base = paper()
    return dataclasses.replace(
        base,
        data=DataConfig(source="tfds", name=name, image_size=256),
        loss=dataclasses.replace(base.loss, identity_weight=identity_weight, identity="target"),
        checkpoint_every=5000,
        sample_every=5000,
    )
