"""Adversarial losses, gradient penalties and augmentation against PyTorch, alone and in whole training steps."""

import dataclasses
import typing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from cyclegan_jax import diff_augment, gan_losses, gradient_penalty
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.loss_config import GanLoss
from cyclegan_jax.networks import weights
from cyclegan_jax.networks.discriminator import NLayerDiscriminator
from cyclegan_jax.train_step import AUGMENTATION_KEY, PENALTY_KEY, image_keys
from tests.helpers.kernels import AS_WIDE, ON_GPU, PLAIN
from tests.helpers.lockstep import lockstep_config
from tests.parity import reference_losses as reference
from tests.parity import reference_networks as networks
from tests.parity.exchange import assert_same, from_torch, nchw, nhwc
from tests.parity.reference_training import Judging, OfficialTrainer, Trainer
from tests.parity.test_training import state_after

GANS: tuple[GanLoss, ...] = typing.get_args(GanLoss)
RNG = np.random.default_rng(0)


def keys_of(number: int) -> jax.Array:
    return jax.random.split(jax.random.key(3), number)


def numbers_of(keys: jax.Array) -> reference.Numbers:
    return reference.Numbers(*(torch.tensor(np.asarray(drawn)).double() for drawn in diff_augment.draw(keys)))


def shares_of(keys: jax.Array) -> torch.Tensor:
    """How much of the real image is in each mixture."""
    one, zero = (jnp.full((len(keys), 1, 1, 1), value) for value in (1.0, 0.0))
    return torch.tensor(np.asarray(gradient_penalty.mixtures(one, zero, keys)).ravel())


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("gan", GANS)
def test_losses_and_gradients(gan: GanLoss) -> None:
    # Scores beyond the hinge on both sides, and where a naive logarithm overflows.
    real, fake = RNG.normal(scale=3, size=(2, 2, 5, 4, 1))
    real[0, 0, 0] = 800.0
    fake[0, 0, 0] = -800.0
    their_real, their_fake = (nchw(scores).requires_grad_(True) for scores in (real, fake))
    expected = reference.discriminator_loss(their_real, their_fake, gan)
    expected.backward()
    value, grads = jax.value_and_grad(gan_losses.discriminator_loss, (0, 1))(real, fake, gan)
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-12)
    for grad, theirs in zip(grads, (their_real, their_fake), strict=True):
        assert theirs.grad is not None
        np.testing.assert_allclose(grad, nhwc(theirs.grad), rtol=1e-12, atol=1e-15)
    theirs = nchw(fake).requires_grad_(True)
    expected = reference.generator_loss(theirs, gan)
    expected.backward()
    value, grad = jax.value_and_grad(gan_losses.generator_loss)(fake, gan)
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-12)
    assert theirs.grad is not None
    np.testing.assert_allclose(grad, nhwc(theirs.grad), rtol=1e-12, atol=1e-15)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("kind", "kernels"), [("wgangp", AS_WIDE), ("r1", ON_GPU), ("mixture", PLAIN)])
def test_penalties_and_their_gradients(kind: Any, kernels: Any) -> None:
    torch.manual_seed(0)
    theirs = networks.NLayerDiscriminator(3, 4).double()
    network = NLayerDiscriminator(3, 4, key=jax.random.key(0), dtype=jnp.dtype("float64"), kernels=kernels)
    graphdef, params = nnx.graphdef(network), weights.params(network)
    params = from_torch(theirs, params)
    real, fake = RNG.uniform(-1, 1, (2, 2, 32, 24, 3))
    keys = keys_of(2)
    expected = reference.gradient_penalty(theirs, nchw(real), nchw(fake), shares_of(keys), kind)
    expected.backward()

    def ours(params: Any) -> jax.Array:
        judge = lambda images: nnx.merge(graphdef, params)(images)  # noqa: E731
        return gradient_penalty.penalty(judge, jnp.asarray(real), jnp.asarray(fake), keys, kind)

    value, grads = jax.jit(jax.value_and_grad(ours))(params)
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-10)
    for parameter in theirs.parameters():
        if parameter.grad is None:  # the last bias moves no gradient
            parameter.grad = torch.zeros_like(parameter)
    expected_grads = from_torch(theirs, params, grad=True)
    assert_same(grads, expected_grads, relative=1e-8, absolute=1e-8, what=kind)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(grads)) > 1e-3


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("size", [(32, 24), (13, 20)], ids=["even", "odd"])
@pytest.mark.parametrize("names", ["color", "translation", "cutout", "cutout,color,translation"])
def test_augmentation_and_its_gradient(names: Any, size: tuple[int, int]) -> None:
    images = RNG.uniform(-1, 1, (16, *size, 3))
    seen = RNG.normal(size=images.shape)
    keys, chosen = keys_of(16), tuple(names.split(","))
    theirs = nchw(images).requires_grad_(True)
    expected = reference.diff_augment(theirs, numbers_of(keys), chosen)
    (expected * nchw(seen)).sum().backward()
    ours, pull_back = jax.vjp(
        lambda images: diff_augment.augment(images, diff_augment.draw(keys), chosen), jnp.asarray(images)
    )
    np.testing.assert_allclose(ours, nhwc(expected), rtol=0, atol=1e-12)
    assert theirs.grad is not None
    np.testing.assert_allclose(pull_back(jnp.asarray(seen))[0], nhwc(theirs.grad), rtol=0, atol=1e-12)
    assert not np.allclose(ours, images)


class Configured(Judging):
    """Judges as a config says, with the random numbers of our steps."""

    def __init__(self, config: TrainConfig, key: Any):
        self.config, self.key = config, jax.random.wrap_key_data(key)
        self.step = 0

    def begin(self, step: int) -> None:
        self.step = step

    def keys(self, purpose: int, domain: Any) -> jax.Array:
        indices = jnp.arange(self.config.batch_size)
        return image_keys(jax.random.fold_in(self.key, self.step), purpose, domain, indices)

    def seen(self, domain: str, images: torch.Tensor) -> torch.Tensor:
        names = self.config.discriminator.augmentations
        return reference.diff_augment(images, numbers_of(self.keys(AUGMENTATION_KEY, domain)), names)

    def generator_loss(self, network: nn.Module, domain: str, fake: torch.Tensor) -> torch.Tensor:
        return reference.generator_loss(network(self.seen(domain, fake)), self.config.loss.gan)

    def discriminator_losses(
        self, network: nn.Module, domain: str, real: torch.Tensor, shown: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        loss = self.config.loss
        real, shown = self.seen(domain, real), self.seen(domain, shown)
        adversarial = reference.discriminator_loss(network(real), network(shown), loss.gan)
        penalty, every = torch.zeros(()), loss.gradient_penalty_every
        if self.step % every == 0:
            shares = shares_of(self.keys(PENALTY_KEY, domain))
            penalty = reference.gradient_penalty(network, real, shown, shares, loss.penalty)
        total = adversarial + every * loss.gradient_penalty_weight * penalty
        return {"discriminator": adversarial, "gradient_penalty": penalty, "total": total}


def prepare(theirs: Trainer, config: TrainConfig, key: Any) -> None:
    assert isinstance(theirs, OfficialTrainer)
    theirs.judging = Configured(config, key)
    # At exactly 0, as in a hole before a bias of 0, the two libraries' leaky ReLUs have other slopes, 0.2 and 1.
    for network in (theirs.D_A, theirs.D_B):
        for part in network.modules():
            if isinstance(part, nn.Conv2d) and part.bias is not None:
                nn.init.normal_(part.bias, 0.0, 0.1)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("loss", "augment"),
    [
        pytest.param({"gan": "wgangp"}, None, marks=pytest.mark.slow),
        ({"gan": "hinge", "gradient_penalty": "mixture", "gradient_penalty_every": 2}, "color,translation,cutout"),
    ],
    ids=["wgangp", "hinge"],
)
def test_three_steps_in_lockstep(loss: dict[str, Any], augment: str | None) -> None:
    """Compare losses, penalties, weights and pools after each step; with `every` 2, two of three compute a penalty."""
    plain = lockstep_config("paper")
    config = dataclasses.replace(
        plain,
        loss=dataclasses.replace(plain.loss, **loss, gradient_penalty_weight=3.0, identity_weight=0.0),
        discriminator=dataclasses.replace(plain.discriminator, augment=augment),
        pool_size=3,
    )
    state_after(3, "paper", "sgd", config, None, prepare)
