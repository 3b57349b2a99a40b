"""The PyTorch trainer of each recipe for the ten steps of `tests.helpers.lockstep`, and its weights as ours."""

from typing import Any

import torch

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.state import TrainState
from tests.helpers.lockstep import EPOCH_IMAGES, Script
from tests.parity import reference_networks as networks
from tests.parity import reference_training as reference
from tests.parity.exchange import from_torch


def make_reference(recipe: str, config: TrainConfig, kind: str, scripts: dict[str, Script]) -> reference.Trainer:
    """The recipe's PyTorch trainer for `config`, with the factor of its schedule for each step."""
    torch.manual_seed(0)
    generator, width, schedule = config.generator, config.discriminator.width, config.optimizer
    formula = reference.lr_factor_official if recipe == "paper" else reference.lr_factor_pytorch_gan
    discriminator = networks.NLayerDiscriminator if recipe == "paper" else networks.PyTorchGANDiscriminator
    options: dict[str, Any] = {
        "kind": kind,
        "learning_rate": schedule.learning_rate,
        "factor": lambda step: formula(
            step * config.batch_size // EPOCH_IMAGES, schedule.constant_epochs, schedule.decay_epochs
        ),
    }
    arguments = 3, 3, generator.width, generator.blocks, generator.upsample, generator.norm
    G_AB, G_BA = (networks.Generator(*arguments).train() for _ in range(2))
    norm: dict[str, Any] = {"norm": config.discriminator.norm} if recipe == "paper" else {}
    D_A, D_B = (discriminator(3, width, **norm).train() for _ in range(2))
    made = (G_AB.double(), G_BA.double()), (D_A.double(), D_B.double())
    if recipe == "simplified":
        return reference.SimplifiedTrainer(*made, **options)
    # A pool reads its script only once it is full.
    size = config.pool_size
    pools = reference.ImagePool(size, iter(scripts["A"][size:])), reference.ImagePool(size, iter(scripts["B"][size:]))
    if recipe == "pytorch_gan":
        return reference.PyTorchGANTrainer(*made, pools=pools, **options)
    loss = config.loss
    loss_weights = reference.Weights(loss.cycle_weight_A, loss.cycle_weight_B, loss.identity_weight)
    return reference.OfficialTrainer(*made, pools=pools, weights=loss_weights, **options)


def with_weights_of(theirs: reference.Trainer, ours: TrainState) -> TrainState:
    """Our state with the networks' weights of the PyTorch trainer."""
    return ours._replace(
        generators={
            "AtoB": from_torch(theirs.G_AB, ours.generators["AtoB"]),
            "BtoA": from_torch(theirs.G_BA, ours.generators["BtoA"]),
        },
        discriminators={
            "A": from_torch(theirs.D_A, ours.discriminators["A"]),
            "B": from_torch(theirs.D_B, ours.discriminators["B"]),
        },
    )
