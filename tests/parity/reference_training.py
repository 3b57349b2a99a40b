"""One training step in PyTorch for each recipe, written from the seed and the official rules. NCHW."""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn import functional


def lr_factor_official(epoch: int, constant: int = 100, decay: int = 100) -> float:
    """The official port's factor for an epoch counted from 0."""
    return 1.0 - max(0, epoch + 1 - constant) / float(decay + 1)


def lr_factor_pytorch_gan(epoch: int, constant: int = 100, decay: int = 100) -> float:
    """PyTorch-GAN's factor for an epoch counted from 0."""
    return 1.0 - max(0, epoch - constant) / float(decay)


class ImagePool:
    """The official pool; coin and die come from a script of (exchange?, which) for each image once it is full."""

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
            exchange, which = next(self.script)
            if exchange:
                answer.append(self.stored[which].clone())
                self.stored[which] = image.clone()
            else:
                answer.append(image)
        return torch.stack(answer)


def to_real(scores: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(scores, torch.ones_like(scores))


def to_fake(scores: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(scores, torch.zeros_like(scores))


class Trainer:
    """Four networks, two optimizers, and a learning-rate factor for each step."""

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

        def optimizer(networks: tuple[nn.Module, nn.Module]) -> torch.optim.Optimizer:
            parameters = itertools.chain(*(network.parameters() for network in networks))
            if kind == "adam":
                return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.5, 0.999))
            return torch.optim.SGD(parameters, lr=learning_rate)

        self.optimizer_G, self.optimizer_D = optimizer(generators), optimizer(discriminators)
        self.learning_rate, self.factor, self.steps = learning_rate, factor, 0

    def set_rate(self) -> None:
        for group in (*self.optimizer_G.param_groups, *self.optimizer_D.param_groups):
            group["lr"] = self.learning_rate * self.factor(self.steps)
        self.steps += 1


class SeedTrainer(Trainer):
    """The seed's step: D first, then G against the updated D; means over domains; the identity of the input."""

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
        return _values(locals())


class OfficialTrainer(Trainer):
    """The official step: G first, then D on the pool; sums over domains; the identity of the target domain."""

    def __init__(
        self, *args, pools: tuple[ImagePool, ImagePool], cycle_A: float, cycle_B: float, identity: float, **options
    ):
        super().__init__(*args, **options)
        self.pool_A, self.pool_B = pools
        self.cycle_A, self.cycle_B, self.identity = cycle_A, cycle_B, identity

    def step(self, real_A: torch.Tensor, real_B: torch.Tensor) -> dict[str, float]:
        self.set_rate()
        fake_B = self.G_AB(real_A)
        recovered_A = self.G_BA(fake_B)
        fake_A = self.G_BA(real_B)
        recovered_B = self.G_AB(fake_A)

        for network in (self.D_A, self.D_B):
            network.requires_grad_(False)
        self.optimizer_G.zero_grad()
        gan_AtoB, gan_BtoA = to_real(self.D_B(fake_B)), to_real(self.D_A(fake_A))
        cycle_A, cycle_B = functional.l1_loss(recovered_A, real_A), functional.l1_loss(recovered_B, real_B)
        g_total = gan_AtoB + gan_BtoA + self.cycle_A * cycle_A + self.cycle_B * cycle_B
        identity_A = identity_B = torch.zeros(())
        if self.identity > 0:
            identity_A = functional.l1_loss(self.G_BA(real_A), real_A)
            identity_B = functional.l1_loss(self.G_AB(real_B), real_B)
            g_total = g_total + self.identity * (self.cycle_A * identity_A + self.cycle_B * identity_B)
        g_total.backward()
        self.optimizer_G.step()

        for network in (self.D_A, self.D_B):
            network.requires_grad_(True)
        self.optimizer_D.zero_grad()
        d_A = 0.5 * (to_real(self.D_A(real_A)) + to_fake(self.D_A(self.pool_A.query(fake_A).detach())))
        d_A.backward()
        d_B = 0.5 * (to_real(self.D_B(real_B)) + to_fake(self.D_B(self.pool_B.query(fake_B).detach())))
        d_B.backward()
        d_total = d_A + d_B
        self.optimizer_D.step()
        return _values(locals())


def _values(found: dict[str, object]) -> dict[str, float]:
    """The losses among a step's local variables, by our names."""
    names = {
        "gan_AtoB": "gan_AtoB",
        "gan_BtoA": "gan_BtoA",
        "cycle_A": "cycle_A",
        "cycle_B": "cycle_B",
        "identity_A": "identity_A",
        "identity_B": "identity_B",
        "d_A": "discriminator_A",
        "d_B": "discriminator_B",
        "g_total": "generators",
        "d_total": "discriminators",
    }
    return {ours: float(found[theirs].detach()) for theirs, ours in names.items()}  # type: ignore[attr-defined]
