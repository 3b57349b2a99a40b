"""The weights of the objective's terms, by inputs that give each term a value of its own."""

import jax
import jax.numpy as jnp
import pytest

from cyclegan_jax.config import LossConfig
from cyclegan_jax.objective import Generated, discriminator_objective, generator_objective, l1, least_squares


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
        x = jnp.full((3, 5), 0.1, dtype)
        assert least_squares(x, 1.0).dtype == result
        assert l1(x, x).dtype == result
    # In bfloat16 a sum of 4096 ones would stop at 256.
    assert float(l1(jnp.ones((64, 64), jnp.bfloat16), jnp.zeros((64, 64), jnp.bfloat16))) == 1.0
