"""The two published recipes, as values of one config: the paper's official code and PyTorch-GAN (the seed)."""

from cyclegan_jax.config import DiscriminatorConfig, GeneratorConfig, LossConfig, OptimizerConfig, TrainConfig


def paper() -> TrainConfig:
    """The official recipe (paper, sections 4 and 7): G first, a pool of 50, sums over domains, the 70x70 PatchGAN.

    The identity loss is off, as for the label maps of section 5; the paper's photographs use `identity_weight=0.5`.
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


def pytorch_gan() -> TrainConfig:
    """A recipe after PyTorch-GAN: D first, no pool, means over domains, identity on the input, upsampling by resizing.

    It is the seed's; PyTorch-GAN's later code updates G first, has a pool, and holds the identity on the target.

    Its weights are 10 for the cycle and 5 for the identity, which is `identity_weight=0.5` relative to the cycle's.
    """
    return TrainConfig(
        generator=GeneratorConfig(blocks=9, width=64, upsample="resize"),
        discriminator=DiscriminatorConfig(kind="pytorch_gan", width=64),
        loss=LossConfig(
            cycle_weight_A=10.0, cycle_weight_B=10.0, identity_weight=0.5, identity="input", domains="mean"
        ),
        optimizer=OptimizerConfig(constant_epochs=100, decay_epochs=100, schedule="pytorch_gan"),
        update_first="discriminators",
        pool_size=0,
    )
