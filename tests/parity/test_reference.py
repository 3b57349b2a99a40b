"""The PyTorch reference itself against published numbers and hand calculations, so that it is not trusted blindly."""

import copy
import itertools

import pytest
import torch
from torch import nn

from tests.parity import reference_networks as networks
from tests.parity import reference_training as training

RATE = 1e-2


def number_of_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_generator_size_is_the_official_one(upsample):
    """The official code prints 11.378 M; both ways of upsampling have kernels of the same size."""
    with torch.device("meta"):
        assert number_of_parameters(networks.Generator(3, 3, 64, 9, upsample)) == 11_378_179


def test_discriminator_size_is_the_official_one():
    """The official code prints 2.765 M; the seed's has the same kernels at other strides."""
    with torch.device("meta"):
        assert number_of_parameters(networks.NLayerDiscriminator(3, 64, 3)) == 2_764_737
        assert number_of_parameters(networks.SeedDiscriminator(3, 64)) == 2_764_737


@pytest.mark.parametrize("n_layers", [1, 2, 3, 4, 5])
def test_width_stops_growing_at_eight(n_layers):
    with torch.device("meta"):
        network = networks.NLayerDiscriminator(3, 4, n_layers)
    widths = [part.out_channels for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert widths == [*[4, 8, 16, 32, 32, 32][: n_layers + 1], 1]


@pytest.mark.parametrize("channels", [(3, 3), (1, 4), (4, 1)])
@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_generator_keeps_the_size(channels, upsample):
    """An outer pad other than 3 would change it: the seed's listing pads by the number of channels."""
    before, after = channels
    network = networks.Generator(before, after, 2, 1, upsample)
    assert network(torch.rand(2, before, 16, 24)).shape == (2, after, 16, 24)


def test_discriminator_shapes():
    image = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        assert networks.NLayerDiscriminator(3, 1, 3)(image).shape == (1, 1, 30, 30)
        assert networks.SeedDiscriminator(3, 1)(image).shape == (1, 1, 16, 16)
        assert networks.SeedDiscriminator(3, 1)(image[..., :96]).shape == (1, 1, 16, 6)


@pytest.mark.parametrize(
    ("make", "size", "cell", "first", "field"),
    [
        (lambda: networks.NLayerDiscriminator(1, 1, 1), 64, 8, 11, 16),
        (lambda: networks.NLayerDiscriminator(1, 1, 2), 96, 10, 29, 34),
        (lambda: networks.NLayerDiscriminator(1, 1, 3), 128, 7, 33, 70),
        # The zero pad lies at the left and top: at the right and bottom the field would begin 16 pixels later.
        (lambda: networks.SeedDiscriminator(1, 1), 192, 5, 33, 94),
    ],
    ids=["16", "34", "70", "seed's 94"],
)
def test_receptive_field(make, size, cell, first, field):
    """Measured by the gradient of one output cell: no weights that cancel, no norm with its global reach."""
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


def test_instance_norm_has_no_state():
    """No affine, no running statistics; the biased variance with 1e-5 added."""
    network = networks.Generator(3, 3, 2, 1, "resize")
    norms = [part for part in network.modules() if isinstance(part, nn.InstanceNorm2d)]
    assert len(norms) == 7
    assert not any(list(norm.parameters()) + list(norm.buffers()) for norm in norms)
    x = torch.rand(2, 2, 3, 4, dtype=torch.float64)
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(norms[0](x), (x - mean) / (variance + 1e-5).sqrt(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [networks.SeedDiscriminator, networks.NLayerDiscriminator])
def test_initialisation(make):
    torch.manual_seed(0)
    convolutions = [part for part in make(3, 16).modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 5
    for part in convolutions:
        assert part.bias is not None
        assert not part.bias.any()
    weights = torch.cat([part.weight.detach().flatten() for part in convolutions])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert abs(float(weights.mean())) < 2e-4


def test_schedules():
    official = [training.lr_factor_official(epoch, 2, 3) for epoch in range(5)]
    assert official == pytest.approx([1, 1, 3 / 4, 2 / 4, 1 / 4])
    assert training.lr_factor_official(199) == pytest.approx(1 / 101)
    pytorch_gan = [training.lr_factor_pytorch_gan(epoch, 2, 3) for epoch in range(5)]
    assert pytorch_gan == pytest.approx([1, 1, 1, 2 / 3, 1 / 3])
    assert training.lr_factor_pytorch_gan(199) == pytest.approx(1 / 100)


def test_pool_follows_its_script():
    pool = training.ImagePool(2, iter([(True, 0), (False, 1), (True, 0), (True, 1)]))
    batches = [torch.tensor(values).reshape(-1, 1, 1, 1) for values in ([1.0, 2.0, 3.0], [4.0, 5.0], [6.0])]
    # 1 and 2 fill it; 3 is exchanged for 1; 4 passes; 5 is exchanged for 3, stored two images before; 6 for 2.
    assert [pool.query(images).flatten().tolist() for images in batches] == [[1, 2, 1], [4, 3], [2]]
    assert [float(image) for image in pool.stored] == [5, 6]
    assert training.ImagePool(0, iter([])).query(batches[0]) is batches[0]


def make_trainer(recipe: str, kind: str = "sgd", script=(), factor=lambda step: 1.0) -> training.Trainer:
    torch.manual_seed(1)
    upsample = "resize" if recipe == "seed" else "transposed"
    discriminator = networks.SeedDiscriminator if recipe == "seed" else networks.NLayerDiscriminator
    generators = (networks.Generator(3, 3, 2, 1, upsample).double(), networks.Generator(3, 3, 2, 1, upsample).double())
    discriminators = (discriminator(3, 2).double(), discriminator(3, 2).double())
    with torch.no_grad():
        for parameter in itertools.chain(*(network.parameters() for network in (*generators, *discriminators))):
            parameter.copy_(0.1 * torch.randn_like(parameter))
    if recipe == "seed":
        return training.SeedTrainer(generators, discriminators, kind=kind, learning_rate=RATE, factor=factor)
    pools = (training.ImagePool(2, iter(script)), training.ImagePool(2, iter(script)))
    return training.OfficialTrainer(
        generators,
        discriminators,
        kind=kind,
        learning_rate=RATE,
        factor=factor,
        pools=pools,
        cycle_A=8.0,
        cycle_B=12.0,
        identity=0.25,
    )


def images(seed: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pair = 2 * torch.rand(2, 1, 3, 32, 32, dtype=torch.float64, generator=generator) - 1
    return pair[0], pair[1]


def square(scores: torch.Tensor, target: float) -> float:
    return float(((scores.detach() - target) ** 2).mean())


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.detach() - other.detach()).abs().mean())


@pytest.mark.parametrize("recipe", ["seed", "official"])
def test_terms_of_one_step(recipe):
    """Every term from the networks before the step, but for the GAN terms of the seed: those ask the updated D."""
    trainer = make_trainer(recipe)
    old = copy.deepcopy(trainer)
    real_A, real_B = images()
    terms = trainer.step(real_A, real_B)
    with torch.no_grad():
        fake_A, fake_B = old.G_BA(real_B), old.G_AB(real_A)
        asked, unasked = (trainer, old) if recipe == "seed" else (old, trainer)
        expected = {
            "gan_AtoB": square(asked.D_B(fake_B), 1),
            "gan_BtoA": square(asked.D_A(fake_A), 1),
            "cycle_A": distance(old.G_BA(fake_B), real_A),
            "cycle_B": distance(old.G_AB(fake_A), real_B),
            "identity_A": distance(fake_B if recipe == "seed" else old.G_BA(real_A), real_A),
            "identity_B": distance(fake_A if recipe == "seed" else old.G_AB(real_B), real_B),
            "discriminator_A": (square(old.D_A(real_A), 1) + square(old.D_A(fake_A), 0)) / 2,
            "discriminator_B": (square(old.D_B(real_B), 1) + square(old.D_B(fake_B), 0)) / 2,
        }
        assert square(unasked.D_B(fake_B), 1) != pytest.approx(expected["gan_AtoB"], rel=1e-4)
    gan = expected["gan_AtoB"] + expected["gan_BtoA"]
    discriminators = expected["discriminator_A"] + expected["discriminator_B"]
    if recipe == "seed":
        cycle, identity = expected["cycle_A"] + expected["cycle_B"], expected["identity_A"] + expected["identity_B"]
        expected |= {"generators": (gan + 10 * cycle + 5 * identity) / 2, "discriminators": discriminators / 2}
    else:
        weighted = 8 * expected["cycle_A"] + 12 * expected["cycle_B"]
        weighted += 2 * expected["identity_A"] + 3 * expected["identity_B"]
        expected |= {"generators": gan + weighted, "discriminators": discriminators}
    assert terms == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("recipe", "share"), [("seed", 0.25), ("official", 0.5)])
def test_discriminator_moves_by_its_own_loss_alone(recipe, share):
    """One SGD step is the gradient of D's loss; a gradient left over from G's loss would add to it."""
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


def test_discriminator_is_shown_the_pool():
    """Full after two steps of one image; at the third the exchange shows D the first fake again."""
    trainer = make_trainer("official", script=[(True, 0)])
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


@pytest.mark.parametrize("recipe", ["seed", "official"])
def test_rate_and_adam(recipe):
    """Adam's first step is the rate times the gradient's sign; a factor of 0 stands still."""
    trainer = make_trainer(recipe, "adam", factor=lambda step: [0.5, 0.0][step])
    assert {tuple(o.defaults["betas"]) for o in (trainer.optimizer_G, trainer.optimizer_D)} == {(0.5, 0.999)}
    for rate in (0.5 * RATE, 0.0):
        old = copy.deepcopy(trainer)
        trainer.step(*images())
        for name in ("G_AB", "G_BA", "D_A", "D_B"):
            new, was = (next(iter(getattr(owner, name).parameters())) for owner in (trainer, old))
            assert float((new - was).detach().abs().max()) == pytest.approx(rate, rel=1e-3, abs=1e-12)
