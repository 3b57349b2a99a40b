"""Published training recipes as configs: the paper's, PyTorch-GAN's, and a simplified PyTorch listing's."""

import dataclasses

from cyclegan_jax.config import (
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    LossConfig,
    OptimizerConfig,
    TrainConfig,
)


def paper() -> TrainConfig:
    """Return the recipe of the paper and its official code (paper, section 4 and appendix 7).

    A step updates the generators, then the discriminators, which see images from pools of 50. Losses are sums over the
    domains. The identity loss is off, as for the label maps of section 5.1; for photos set `loss.identity_weight=0.5`.
    """
    return TrainConfig(
        generator=GeneratorConfig(blocks=9, width=64, upsample="transposed"),
        discriminator=DiscriminatorConfig(kind="n_layers", n_layers=3, width=64),
        loss=LossConfig(
            cycle_weight_A=10.0, cycle_weight_B=10.0, identity_weight=0.0, identity="target", domains="sum"
        ),
        optimizer=OptimizerConfig(constant_epochs=100, decay_epochs=100, schedule="official"),
        update_first="generators",
        pool_size=50,
    )


def paper_experiment(name: str, *, identity_weight: float = 0.0) -> TrainConfig:
    """Return the paper's experiment on one of its data sets at 256 pixels: 9 blocks, batch size 1, 200 epochs.

    Args:
        name: a data set that `data.source=tfds` knows, such as `horse2zebra`.
        identity_weight: 0.5 in the paper for Monet's paintings and for flowers, whose colours should stay, and 0 for
            the other sets (paper, section 5.2 and appendix 7.1). The official code's default is 0.5 for every set.
    """
    base = paper()
    return dataclasses.replace(
        base,
        data=DataConfig(source="tfds", name=name, image_size=256),
        loss=dataclasses.replace(base.loss, identity_weight=identity_weight),
        checkpoint_every=5000,
        sample_every=5000,
    )


def pytorch_gan() -> TrainConfig:
    """Return the recipe of PyTorch-GAN's cyclegan.py.

    A step updates the generators, then each discriminator with an Adam of its own; both see images from buffers of 50.
    The generators' losses are means over the domains, with weights 10 for the cycle and 5 for the identity loss.

    Here one Adam holds both discriminators. Adam treats each parameter alone, and the gradient of the *sum* of their
    losses with respect to one discriminator is that of its own loss, so that the updates are those of two optimizers.
    """
    return TrainConfig(
        generator=GeneratorConfig(blocks=9, width=64, upsample="resize"),
        discriminator=DiscriminatorConfig(kind="pytorch_gan", width=64),
        loss=LossConfig(
            cycle_weight_A=10.0,
            cycle_weight_B=10.0,
            identity_weight=0.5,
            identity="target",
            domains="mean",
            discriminator_domains="sum",
        ),
        optimizer=OptimizerConfig(constant_epochs=100, decay_epochs=100, schedule="pytorch_gan"),
        update_first="generators",
        pool_size=50,
    )


def simplified() -> TrainConfig:
    """Return the recipe of a simplified PyTorch listing with PyTorch-GAN's networks and weights.

    A step updates the discriminators, then the generators against the new discriminators, without a pool. All losses
    are means over the domains, and the identity loss compares a generator's output with its input.
    """
    base = pytorch_gan()
    return dataclasses.replace(
        base,
        loss=dataclasses.replace(base.loss, identity="input", discriminator_domains=None),
        update_first="discriminators",
        pool_size=0,
    )
