"""The weights of the objective's terms, by inputs that give each term a value of its own."""

import jax
import jax.numpy as jnp
import pytest

from cyclegan_jax.config import LossConfig
from cyclegan_jax.gan_losses import GUESSING, discriminator_loss, generator_loss
from cyclegan_jax.loss_config import GanLoss
from cyclegan_jax.objective import Generated, discriminator_objective, generator_objective, l1


def full(value: float, channels: int = 3) -> jax.Array:
    return jnp.full((2, 4, 4, channels), value, jnp.float32)


ZERO = full(0.0)
# Cycle terms 1 and 2, identity terms 3 and 4; scores 1 + sqrt(5) and 1 + sqrt(6) give adversarial terms 5 and 6.
GENERATED = Generated(ZERO, ZERO, full(1.0), full(-2.0), full(3.0), full(-4.0))
SCORES_A, SCORES_B = full(1 + 6**0.5, 1), full(1 + 5**0.5, 1)


@pytest.mark.parametrize(
    ("config", "total"),
    [
        (
            LossConfig(cycle_weight_A=10, cycle_weight_B=100, identity_weight=0.5),
            5 + 6 + 10 * 1 + 100 * 2 + 5 * 3 + 50 * 4,
        ),
        (LossConfig(cycle_weight_A=10, cycle_weight_B=100, identity_weight=0.5, domains="mean"), (11 + 210 + 215) / 2),
        (LossConfig(cycle_weight_A=0, cycle_weight_B=0, identity_weight=0.5), 11),
        (LossConfig(cycle_weight_A=0, cycle_weight_B=0, domains="mean", discriminator_domains="sum"), 11 / 2),
    ],
)
def test_generator_total(config: LossConfig, total: float) -> None:
    value, terms = generator_objective(GENERATED, ZERO, ZERO, SCORES_A, SCORES_B, config)
    assert float(value) == pytest.approx(total, rel=1e-6)
    expected = {"gan_AtoB": 5, "gan_BtoA": 6, "cycle_A": 1, "cycle_B": 2, "identity_A": 3, "identity_B": 4}
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(expected, rel=1e-6)


def test_without_an_identity_loss_there_are_no_terms_of_it() -> None:
    generated = GENERATED._replace(identity_A=None, identity_B=None)
    value, terms = generator_objective(generated, ZERO, ZERO, SCORES_A, SCORES_B, LossConfig())
    assert float(value) == pytest.approx(5 + 6 + 10 * 1 + 10 * 2, rel=1e-6)
    assert not any(name.startswith("identity") for name in terms)


@pytest.mark.parametrize(
    ("config", "total"),
    [
        (LossConfig(domains="sum"), 2.5 + 12.5),
        (LossConfig(domains="mean"), 7.5),
        (LossConfig(domains="mean", discriminator_domains="sum"), 2.5 + 12.5),
        (LossConfig(domains="sum", discriminator_domains="mean"), 7.5),
    ],
)
def test_discriminator_total(config: LossConfig, total: float) -> None:
    # Real scores 1 + 1 and 1 + 3 cost 1 and 9, fake scores 2 and 4 cost 4 and 16; each pair is averaged.
    scores = (full(2.0, 1), full(2.0, 1), full(4.0, 1), full(4.0, 1))
    value, terms = discriminator_objective(*scores, config)
    assert float(value) == pytest.approx(total)
    assert [float(terms[f"discriminator_{domain}"]) for domain in "AB"] == pytest.approx([2.5, 12.5])


@pytest.mark.usefixtures("x64")
def test_losses_are_at_least_float32_and_keep_float64() -> None:
    for dtype, result in (("bfloat16", "float32"), ("float32", "float32"), ("float64", "float64")):
        x = jnp.full((3, 5, 5, 1), 0.1, dtype)
        assert generator_loss(x, "lsgan").dtype == discriminator_loss(x, x, "wgangp").dtype == result
        assert l1(x, x).dtype == result
    # In bfloat16 a sum of 4096 ones would stop at 256.
    assert float(l1(jnp.ones((64, 64), jnp.bfloat16), jnp.zeros((64, 64), jnp.bfloat16))) == 1.0


def test_a_discriminator_that_guesses_has_the_stated_loss() -> None:
    """No constant score is better: the least-squares one is between its targets, the others at 0."""
    guesses: dict[GanLoss, float] = {"lsgan": 0.5, "vanilla": 0.0, "hinge": 0.0}
    for gan, guess in guesses.items():
        found = {score: float(discriminator_loss(full(score, 1), full(score, 1), gan)) for score in (-1.5, guess, 1.5)}
        assert found[guess] == pytest.approx(GUESSING[gan], rel=1e-6)
        assert min(found.values()) == found[guess]
        # Scores that are right without doubt cost nothing.
        right = (1.0, 0.0) if gan == "lsgan" else (40.0, -40.0)
        assert float(discriminator_loss(full(right[0], 1), full(right[1], 1), gan)) == pytest.approx(0, abs=1e-6)


def test_the_objectives_take_the_configured_loss() -> None:
    config = LossConfig(gan="wgangp", domains="sum")
    _, terms = generator_objective(GENERATED, ZERO, ZERO, full(3.0, 1), full(4.0, 1), config)
    assert (float(terms["gan_AtoB"]), float(terms["gan_BtoA"])) == (-4, -3)
    total, terms = discriminator_objective(full(1.0, 1), full(2.0, 1), full(5.0, 1), full(3.0, 1), config)
    assert (float(terms["discriminator_A"]), float(terms["discriminator_B"]), float(total)) == (0.5, -1, -0.5)
