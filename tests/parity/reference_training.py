"""A training step of each recipe in PyTorch: the reference of the parity tests. Images are NCHW."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional


def lr_factor_official(epoch: int, constant: int = 100, decay: int = 100) -> float:
    """The official code's factor of the learning rate in an epoch counted from 0."""
    return 1.0 - max(0, epoch + 1 - constant) / float(decay + 1)


def lr_factor_pytorch_gan(epoch: int, constant: int = 100, decay: int = 100) -> float:
    """PyTorch-GAN's factor of the learning rate in an epoch counted from 0."""
    return 1.0 - max(0, epoch - constant) / float(decay)


class ImagePool:
    """The pool of the official code and of PyTorch-GAN.

    Its random choices come from a script, which has a pair (swap?, place) for each image once the pool is full.
    """

    def __init__(self, size: int, script: Iterator[tuple[bool, int]]):
        self.size, self.script = size, script
        self.stored: list[torch.Tensor] = []

    def query(self, images: torch.Tensor) -> torch.Tensor:
        if self.size == 0:
            return images
        answer = []
        for image in images.detach():
            if len(self.stored) < self.size:
                self.stored.append(image.clone())
                answer.append(image)
                continue
            swap, place = next(self.script)
            if swap:
                answer.append(self.stored[place].clone())
                self.stored[place] = image.clone()
            else:
                answer.append(image)
        return torch.stack(answer)


def to_real(scores: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(scores, torch.ones_like(scores))


def to_fake(scores: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(scores, torch.zeros_like(scores))


class Weights(NamedTuple):
    """The weights of the cycle losses, and of the identity loss relative to them."""

    cycle_A: float = 10.0
    cycle_B: float = 10.0
    identity: float = 0.5


class Trainer(ABC):
    """Four networks, their optimizers, and the factor of the learning rate in each step."""

    def __init__(
        self,
        generators: tuple[nn.Module, nn.Module],
        discriminators: tuple[nn.Module, nn.Module],
        *,
        kind: str,
        learning_rate: float,
        factor: Callable[[int], float],
    ):
        self.G_AB, self.G_BA = generators
        self.D_A, self.D_B = discriminators
        self.kind, self.learning_rate, self.factor, self.steps = kind, learning_rate, factor, 0
        self.optimizers: list[torch.optim.Optimizer] = []

    def optimizer(self, *networks: nn.Module) -> torch.optim.Optimizer:
        """One optimizer over the parameters of these networks."""
        parameters = itertools.chain(*(network.parameters() for network in networks))
        made: torch.optim.Optimizer
        if self.kind == "adam":
            made = torch.optim.Adam(parameters, lr=self.learning_rate, betas=(0.5, 0.999))
        else:
            made = torch.optim.SGD(parameters, lr=self.learning_rate)
        self.optimizers.append(made)
        return made

    def set_rate(self) -> None:
        for group in itertools.chain(*(optimizer.param_groups for optimizer in self.optimizers)):
            group["lr"] = self.learning_rate * self.factor(self.steps)
        self.steps += 1

    @abstractmethod
    def step(self, real_A: torch.Tensor, real_B: torch.Tensor) -> dict[str, float]:
        """Take one step and return its losses by the names of our metrics."""


class SimplifiedTrainer(Trainer):
    """D first, then G against the updated D; no pool; means over domains; the identity loss holds on the input."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.optimizer_G = self.optimizer(self.G_AB, self.G_BA)
        self.optimizer_D = self.optimizer(self.D_A, self.D_B)

    def step(self, real_A: torch.Tensor, real_B: torch.Tensor) -> dict[str, float]:
        self.set_rate()
        fake_B, fake_A = self.G_AB(real_A), self.G_BA(real_B)
        recovered_A, recovered_B = self.G_BA(fake_B), self.G_AB(fake_A)

        self.optimizer_D.zero_grad()
        d_A = (to_real(self.D_A(real_A)) + to_fake(self.D_A(fake_A.detach()))) / 2
        d_B = (to_real(self.D_B(real_B)) + to_fake(self.D_B(fake_B.detach()))) / 2
        d_total = (d_A + d_B) / 2
        d_total.backward()
        self.optimizer_D.step()

        self.optimizer_G.zero_grad()
        gan_AtoB, gan_BtoA = to_real(self.D_B(fake_B)), to_real(self.D_A(fake_A))
        cycle_A, cycle_B = functional.l1_loss(recovered_A, real_A), functional.l1_loss(recovered_B, real_B)
        identity_A, identity_B = functional.l1_loss(fake_B, real_A), functional.l1_loss(fake_A, real_B)
        g_total = (gan_AtoB + gan_BtoA) / 2 + 10.0 * (cycle_A + cycle_B) / 2 + 5.0 * (identity_A + identity_B) / 2
        g_total.backward()
        self.optimizer_G.step()
        return _floats(
            gan_AtoB=gan_AtoB,
            gan_BtoA=gan_BtoA,
            cycle_A=cycle_A,
            cycle_B=cycle_B,
            identity_A=identity_A,
            identity_B=identity_B,
            discriminator_A=d_A,
            discriminator_B=d_B,
            generators=g_total,
            discriminators=d_total,
        )


class PyTorchGANTrainer(Trainer):
    """PyTorch-GAN: G first, then D_A and D_B on buffers, each with its optimizer; means over domains in G's loss."""

    def __init__(self, *args: Any, pools: tuple[ImagePool, ImagePool], **options: Any):
        super().__init__(*args, **options)
        self.pool_A, self.pool_B = pools
        self.optimizer_G = self.optimizer(self.G_AB, self.G_BA)
        self.optimizer_D_A, self.optimizer_D_B = self.optimizer(self.D_A), self.optimizer(self.D_B)

    def step(self, real_A: torch.Tensor, real_B: torch.Tensor) -> dict[str, float]:
        self.set_rate()
        self.optimizer_G.zero_grad()
        identity_A = functional.l1_loss(self.G_BA(real_A), real_A)
        identity_B = functional.l1_loss(self.G_AB(real_B), real_B)
        fake_B, fake_A = self.G_AB(real_A), self.G_BA(real_B)
        gan_AtoB, gan_BtoA = to_real(self.D_B(fake_B)), to_real(self.D_A(fake_A))
        cycle_A = functional.l1_loss(self.G_BA(fake_B), real_A)
        cycle_B = functional.l1_loss(self.G_AB(fake_A), real_B)
        g_total = torch.stack([gan_AtoB, gan_BtoA]).mean()
        g_total = g_total + 10.0 * torch.stack([cycle_A, cycle_B]).mean()
        g_total = g_total + 5.0 * torch.stack([identity_A, identity_B]).mean()
        g_total.backward()
        self.optimizer_G.step()

        d_A = self.step_discriminator(self.D_A, self.optimizer_D_A, real_A, self.pool_A.query(fake_A))
        d_B = self.step_discriminator(self.D_B, self.optimizer_D_B, real_B, self.pool_B.query(fake_B))
        # The program prints the mean; what the two optimizers descend together is the sum.
        d_total = d_A + d_B
        return _floats(
            gan_AtoB=gan_AtoB,
            gan_BtoA=gan_BtoA,
            cycle_A=cycle_A,
            cycle_B=cycle_B,
            identity_A=identity_A,
            identity_B=identity_B,
            discriminator_A=d_A,
            discriminator_B=d_B,
            generators=g_total,
            discriminators=d_total,
        )

    @staticmethod
    def step_discriminator(
        network: nn.Module, optimizer: torch.optim.Optimizer, real: torch.Tensor, shown: torch.Tensor
    ) -> torch.Tensor:
        # The gradients that the generators' loss left in this network must not count.
        optimizer.zero_grad()
        loss = (to_real(network(real)) + to_fake(network(shown.detach()))) / 2
        loss.backward()
        optimizer.step()
        return loss


class Judging:
    """How the discriminators judge and are trained: here by least squares, without a penalty or augmentation."""

    def begin(self, step: int) -> None:
        """Called before a step, counted from 0."""

    def generator_loss(self, network: nn.Module, domain: str, fake: torch.Tensor) -> torch.Tensor:
        return to_real(network(fake))

    def discriminator_losses(
        self, network: nn.Module, domain: str, real: torch.Tensor, shown: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The losses by the names of our metrics, less the domain; `total` is what the network descends."""
        loss = 0.5 * (to_real(network(real)) + to_fake(network(shown)))
        return {"discriminator": loss, "total": loss}


class OfficialTrainer(Trainer):
    """The official code: G first, then D on the pool; sums over domains; the identity loss holds on the target."""

    judging = Judging()

    def __init__(self, *args: Any, pools: tuple[ImagePool, ImagePool], weights: Weights, **options: Any):
        super().__init__(*args, **options)
        self.pool_A, self.pool_B = pools
        self.weights = weights
        self.optimizer_G = self.optimizer(self.G_AB, self.G_BA)
        self.optimizer_D = self.optimizer(self.D_A, self.D_B)

    def step(self, real_A: torch.Tensor, real_B: torch.Tensor) -> dict[str, float]:
        self.judging.begin(self.steps)
        self.set_rate()
        weights = self.weights
        fake_B = self.G_AB(real_A)
        recovered_A = self.G_BA(fake_B)
        fake_A = self.G_BA(real_B)
        recovered_B = self.G_AB(fake_A)

        for network in (self.D_A, self.D_B):
            network.requires_grad_(False)
        self.optimizer_G.zero_grad()
        gan_AtoB = self.judging.generator_loss(self.D_B, "B", fake_B)
        gan_BtoA = self.judging.generator_loss(self.D_A, "A", fake_A)
        cycle_A, cycle_B = functional.l1_loss(recovered_A, real_A), functional.l1_loss(recovered_B, real_B)
        g_total = gan_AtoB + gan_BtoA + weights.cycle_A * cycle_A + weights.cycle_B * cycle_B
        identity = {}
        if weights.identity > 0:
            identity_A = functional.l1_loss(self.G_BA(real_A), real_A)
            identity_B = functional.l1_loss(self.G_AB(real_B), real_B)
            g_total = g_total + weights.identity * (weights.cycle_A * identity_A + weights.cycle_B * identity_B)
            identity = {"identity_A": identity_A, "identity_B": identity_B}
        g_total.backward()
        self.optimizer_G.step()

        for network in (self.D_A, self.D_B):
            network.requires_grad_(True)
        self.optimizer_D.zero_grad()
        d_A = self.judging.discriminator_losses(self.D_A, "A", real_A, self.pool_A.query(fake_A).detach())
        d_B = self.judging.discriminator_losses(self.D_B, "B", real_B, self.pool_B.query(fake_B).detach())
        d_total = d_A.pop("total") + d_B.pop("total")
        d_total.backward()
        self.optimizer_D.step()
        return _floats(
            gan_AtoB=gan_AtoB,
            gan_BtoA=gan_BtoA,
            cycle_A=cycle_A,
            cycle_B=cycle_B,
            **identity,
            **{f"{name}_A": loss for name, loss in d_A.items()},
            **{f"{name}_B": loss for name, loss in d_B.items()},
            generators=g_total,
            discriminators=d_total,
        )


def _floats(**losses: torch.Tensor) -> dict[str, float]:
    return {name: float(loss.detach()) for name, loss in losses.items()}
