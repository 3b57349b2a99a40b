"""The PyTorch reference itself, against published numbers and hand calculations."""

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import nn

from tests.parity import reference_networks as networks
from tests.parity import reference_training as training

RATE = 1e-2
RECIPES = ("paper", "pytorch_gan", "simplified")


def number_of_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_generator_size_is_the_official_one(upsample: str) -> None:
    """The official code prints 11.378 M; both kinds of upsampling have kernels of the same size."""
    with torch.device("meta"):
        assert number_of_parameters(networks.Generator(3, 3, 64, 9, upsample)) == 11_378_179


def test_discriminator_size_is_the_official_one() -> None:
    """The official code prints 2.765 M; PyTorch-GAN's network has the same kernels with other strides."""
    with torch.device("meta"):
        assert number_of_parameters(networks.NLayerDiscriminator(3, 64, 3)) == 2_764_737
        assert number_of_parameters(networks.PyTorchGANDiscriminator(3, 64)) == 2_764_737


@pytest.mark.parametrize("n_layers", [1, 2, 3, 4, 5])
def test_width_stops_growing_at_eight(n_layers: int) -> None:
    with torch.device("meta"):
        network = networks.NLayerDiscriminator(3, 4, n_layers)
    widths = [part.out_channels for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert widths == [*[4, 8, 16, 32, 32, 32][: n_layers + 1], 1]


@pytest.mark.parametrize("channels", [(3, 3), (1, 4), (4, 1)])
@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_generator_keeps_the_size(channels: tuple[int, int], upsample: str) -> None:
    """An outer pad of the number of channels instead of 3, as some listings have it, would change the size."""
    before, after = channels
    network = networks.Generator(before, after, 2, 1, upsample)
    assert network(torch.rand(2, before, 16, 24)).shape == (2, after, 16, 24)


def test_discriminator_shapes() -> None:
    image = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        assert networks.NLayerDiscriminator(3, 1, 3)(image).shape == (1, 1, 30, 30)
        assert networks.PyTorchGANDiscriminator(3, 1)(image).shape == (1, 1, 16, 16)
        assert networks.PyTorchGANDiscriminator(3, 1)(image[..., :96]).shape == (1, 1, 16, 6)


@pytest.mark.parametrize(
    ("make", "size", "cell", "first", "field"),
    [
        (lambda: networks.NLayerDiscriminator(1, 1, 1), 64, 8, 11, 16),
        (lambda: networks.NLayerDiscriminator(1, 1, 2), 96, 10, 29, 34),
        (lambda: networks.NLayerDiscriminator(1, 1, 3), 128, 7, 33, 70),
        # The zero pad is at the left and top; at the right and bottom, the field would begin 16 pixels later.
        (lambda: networks.PyTorchGANDiscriminator(1, 1), 192, 5, 33, 94),
    ],
    ids=["16", "34", "70", "94"],
)
def test_receptive_field(make: Any, size: int, cell: int, first: int, field: int) -> None:
    """Measure the field by the gradient of one output: equal weights do not cancel; a norm would reach everything."""
    network = make()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    for index, part in enumerate(network.parts):
        if isinstance(part, nn.InstanceNorm2d):
            network.parts[index] = nn.Identity()
    image = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    network.double()(image)[0, 0, cell, cell].backward()
    assert image.grad is not None
    for axis in (0, 1):
        seen = image.grad[0, 0].abs().amax(axis).nonzero().flatten().tolist()
        assert seen == list(range(first, first + field))


def test_instance_norm_has_no_state() -> None:
    """There are no affine parameters or running statistics; the variance is biased and gets 1e-5 added."""
    network = networks.Generator(3, 3, 2, 1, "resize")
    norms = [part for part in network.modules() if isinstance(part, nn.InstanceNorm2d)]
    assert len(norms) == 7
    assert not any(list(norm.parameters()) + list(norm.buffers()) for norm in norms)
    x = torch.rand(2, 2, 3, 4, dtype=torch.float64)
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(norms[0](x), (x - mean) / (variance + 1e-5).sqrt(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [networks.PyTorchGANDiscriminator, networks.NLayerDiscriminator])
def test_initialisation(make: Any) -> None:
    torch.manual_seed(0)
    convolutions = [part for part in make(3, 16).modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 5
    for part in convolutions:
        assert part.bias is not None
        assert not part.bias.any()
    weights = torch.cat([part.weight.detach().flatten() for part in convolutions])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert abs(float(weights.mean())) < 2e-4


def test_schedules() -> None:
    official = [training.lr_factor_official(epoch, 2, 3) for epoch in range(5)]
    assert official == pytest.approx([1, 1, 3 / 4, 2 / 4, 1 / 4])
    assert training.lr_factor_official(199) == pytest.approx(1 / 101)
    pytorch_gan = [training.lr_factor_pytorch_gan(epoch, 2, 3) for epoch in range(5)]
    assert pytorch_gan == pytest.approx([1, 1, 1, 2 / 3, 1 / 3])
    assert training.lr_factor_pytorch_gan(199) == pytest.approx(1 / 100)


def test_pool_follows_its_script() -> None:
    pool = training.ImagePool(2, iter([(True, 0), (False, 1), (True, 0), (True, 1)]))
    batches = [torch.tensor(values).reshape(-1, 1, 1, 1) for values in ([1.0, 2.0, 3.0], [4.0, 5.0], [6.0])]
    # 1 and 2 fill the pool; 3 is swapped for 1; 4 passes; 5 is swapped for 3, stored two images before; 6 for 2.
    assert [pool.query(images).flatten().tolist() for images in batches] == [[1, 2, 1], [4, 3], [2]]
    assert [float(image) for image in pool.stored] == [5, 6]
    assert training.ImagePool(0, iter([])).query(batches[0]) is batches[0]


def make_trainer(
    recipe: str,
    kind: str = "sgd",
    script: Iterable[tuple[bool, int]] = (),
    factor: Callable[[int], float] = lambda step: 1.0,
) -> Any:
    """A recipe's trainer with tiny networks and pools of 2."""
    torch.manual_seed(1)
    upsample = "transposed" if recipe == "paper" else "resize"
    discriminator = networks.NLayerDiscriminator if recipe == "paper" else networks.PyTorchGANDiscriminator
    generators = (networks.Generator(3, 3, 2, 1, upsample).double(), networks.Generator(3, 3, 2, 1, upsample).double())
    discriminators = (discriminator(3, 2).double(), discriminator(3, 2).double())
    with torch.no_grad():
        for parameter in itertools.chain(*(network.parameters() for network in (*generators, *discriminators))):
            parameter.copy_(0.1 * torch.randn_like(parameter))
    options: dict[str, Any] = {"kind": kind, "learning_rate": RATE, "factor": factor}
    if recipe == "simplified":
        return training.SimplifiedTrainer(generators, discriminators, **options)
    options["pools"] = (training.ImagePool(2, iter(script)), training.ImagePool(2, iter(script)))
    if recipe == "pytorch_gan":
        return training.PyTorchGANTrainer(generators, discriminators, **options)
    return training.OfficialTrainer(generators, discriminators, weights=training.Weights(8.0, 12.0, 0.25), **options)


def images(seed: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pair = 2 * torch.rand(2, 1, 3, 32, 32, dtype=torch.float64, generator=generator) - 1
    return pair[0], pair[1]


def square(scores: torch.Tensor, target: float) -> float:
    return float(((scores.detach() - target) ** 2).mean())


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.detach() - other.detach()).abs().mean())


@pytest.mark.parametrize("recipe", RECIPES)
def test_terms_of_one_step(recipe: str) -> None:
    """Every term is that of the networks before the step, except the GAN terms after an update of D first."""
    trainer = make_trainer(recipe)
    old = copy.deepcopy(trainer)
    real_A, real_B = images()
    terms = trainer.step(real_A, real_B)
    on_input = recipe == "simplified"
    with torch.no_grad():
        fake_A, fake_B = old.G_BA(real_B), old.G_AB(real_A)
        asked, unasked = (trainer, old) if recipe == "simplified" else (old, trainer)
        expected = {
            "gan_AtoB": square(asked.D_B(fake_B), 1),
            "gan_BtoA": square(asked.D_A(fake_A), 1),
            "cycle_A": distance(old.G_BA(fake_B), real_A),
            "cycle_B": distance(old.G_AB(fake_A), real_B),
            "identity_A": distance(fake_B if on_input else old.G_BA(real_A), real_A),
            "identity_B": distance(fake_A if on_input else old.G_AB(real_B), real_B),
            "discriminator_A": (square(old.D_A(real_A), 1) + square(old.D_A(fake_A), 0)) / 2,
            "discriminator_B": (square(old.D_B(real_B), 1) + square(old.D_B(fake_B), 0)) / 2,
        }
        assert square(unasked.D_B(fake_B), 1) != pytest.approx(expected["gan_AtoB"], rel=1e-4)
    assert terms == pytest.approx(expected | totals(recipe, expected), rel=1e-12)


def totals(recipe: str, terms: dict[str, float]) -> dict[str, float]:
    """Both totals of a recipe, from its terms."""
    gan = terms["gan_AtoB"] + terms["gan_BtoA"]
    discriminators = terms["discriminator_A"] + terms["discriminator_B"]
    if recipe == "paper":
        weighted = 8 * terms["cycle_A"] + 12 * terms["cycle_B"] + 2 * terms["identity_A"] + 3 * terms["identity_B"]
        return {"generators": gan + weighted, "discriminators": discriminators}
    cycle, identity = terms["cycle_A"] + terms["cycle_B"], terms["identity_A"] + terms["identity_B"]
    return {
        "generators": (gan + 10 * cycle + 5 * identity) / 2,
        "discriminators": discriminators / 2 if recipe == "simplified" else discriminators,
    }


@pytest.mark.parametrize(("recipe", "share"), [("simplified", 0.25), ("pytorch_gan", 0.5), ("paper", 0.5)])
def test_discriminator_moves_by_its_own_loss_alone(recipe: str, share: float) -> None:
    """One step of SGD is the gradient of D's loss; a gradient left over from G's loss would add to it."""
    trainer = make_trainer(recipe)
    old = copy.deepcopy(trainer)
    for step in range(2):
        real_A, real_B = images(step)
        before = copy.deepcopy(trainer.D_A)
        fake_A = trainer.G_BA(real_B).detach()
        trainer.step(real_A, real_B)
        loss = share * (((before(real_A) - 1) ** 2).mean() + (before(fake_A) ** 2).mean())
        grads = torch.autograd.grad(loss, list(before.parameters()))
        for new, was, grad in zip(trainer.D_A.parameters(), before.parameters(), grads, strict=True):
            torch.testing.assert_close(new, was - RATE * grad, rtol=0, atol=1e-12)
            assert new.requires_grad
    for name in ("G_AB", "G_BA", "D_A", "D_B"):
        moved = [
            distance(new, was)
            for new, was in zip(getattr(trainer, name).parameters(), getattr(old, name).parameters(), strict=True)
        ]
        assert max(moved) > 0, name


@pytest.mark.parametrize("recipe", ["paper", "pytorch_gan"])
def test_discriminator_is_shown_the_pool(recipe: str) -> None:
    """Two steps of one image fill the pool; at the third, the swap shows D the first fake again."""
    trainer = make_trainer(recipe, script=[(True, 0)])
    first = trainer.G_BA(images(0)[1]).detach()
    for step in range(2):
        trainer.step(*images(step))
    old = copy.deepcopy(trainer.D_A)
    real_A, real_B = images(2)
    fresh = trainer.G_BA(real_B).detach()
    loss = trainer.step(real_A, real_B)["discriminator_A"]
    with torch.no_grad():
        assert loss == pytest.approx((square(old(real_A), 1) + square(old(first), 0)) / 2, rel=1e-12)
        assert loss != pytest.approx((square(old(real_A), 1) + square(old(fresh), 0)) / 2, rel=1e-6)


@pytest.mark.parametrize("recipe", RECIPES)
def test_rate_and_adam(recipe: str) -> None:
    """Adam's first step is the rate times the gradient's sign; a factor of 0 changes nothing."""
    trainer = make_trainer(recipe, "adam", factor=lambda step: [0.5, 0.0][step])
    assert len(trainer.optimizers) == (3 if recipe == "pytorch_gan" else 2)
    assert {tuple(optimizer.defaults["betas"]) for optimizer in trainer.optimizers} == {(0.5, 0.999)}
    for rate in (0.5 * RATE, 0.0):
        old = copy.deepcopy(trainer)
        trainer.step(*images())
        for name in ("G_AB", "G_BA", "D_A", "D_B"):
            new, was = (next(iter(getattr(owner, name).parameters())) for owner in (trainer, old))
            assert float((new - was).detach().abs().max()) == pytest.approx(rate, rel=1e-3, abs=1e-12)
