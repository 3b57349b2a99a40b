"""Gradient penalties: what they are of, when they are computed, and in which type; tests/parity has their values."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cyclegan_jax import gradient_penalty
from cyclegan_jax.config import LossConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.loss_config import Penalty
from cyclegan_jax.networks.discriminator import NLayerDiscriminator
from cyclegan_jax.objective import penalty_objective

KEYS = jax.random.split(jax.random.key(0), 4)
REAL, FAKE = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 4, 8, 8, 3)), jnp.float32)


@pytest.mark.parametrize(
    ("kind", "expected"),
    # 4 patches that score 3 times the sum of an image's 192 values: each value has the slope 3, or 12 summed up.
    [("wgangp", (12 * 192**0.5 - 1) ** 2), ("r1", 9 * 192), ("mixture", 9 * 192)],
)
def test_the_penalty_of_a_known_slope(kind: Penalty, expected: float) -> None:
    def judge(images: jax.Array) -> jax.Array:
        return jnp.tile(3 * images.sum((1, 2, 3), keepdims=True), (1, 2, 2, 1))

    assert float(gradient_penalty.penalty(judge, REAL, FAKE, KEYS, kind)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["wgangp", "r1", "mixture"])
def test_a_discriminator_without_a_slope_has_finite_gradients(kind: Penalty) -> None:
    def value(scale: jax.Array) -> jax.Array:
        return gradient_penalty.penalty(
            lambda images: scale * images.sum((1, 2, 3), keepdims=True), REAL, FAKE, KEYS, kind
        )

    found, grad = jax.value_and_grad(value)(jnp.zeros(()))
    assert float(found) == (1 if kind == "wgangp" else 0)
    assert bool(jnp.isfinite(grad))


def test_where_the_slope_is_taken() -> None:
    def slope_at(kind: Penalty, real: jax.Array, fake: jax.Array) -> float:
        """The squared norm of the points, for a judge whose slope is the point itself."""
        judge = lambda images: 0.5 * jnp.square(images).sum((1, 2, 3), keepdims=True)  # noqa: E731
        return float(gradient_penalty.penalty(judge, real, fake, KEYS, kind))

    assert slope_at("r1", REAL, FAKE) == pytest.approx(float(jnp.square(REAL).sum((1, 2, 3)).mean()), rel=1e-5)
    mixed = gradient_penalty.mixtures(REAL, FAKE, KEYS)
    assert slope_at("mixture", REAL, FAKE) == pytest.approx(float(jnp.square(mixed).sum((1, 2, 3)).mean()), rel=1e-5)
    # Each image has one share, of its own key: a part of a batch is mixed as in the whole batch.
    share = (mixed - FAKE) / (REAL - FAKE)
    np.testing.assert_allclose(share, jnp.broadcast_to(share[:, :1, :1, :1], share.shape), atol=1e-3)
    assert len(np.unique(np.round(share[:, 0, 0, 0], 4))) == 4
    np.testing.assert_array_equal(gradient_penalty.mixtures(REAL[2:], FAKE[2:], KEYS[2:]), mixed[2:])


def test_mixtures_need_one_size() -> None:
    smaller = FAKE[:, :4]
    judge = lambda images: images.sum((1, 2, 3), keepdims=True)  # noqa: E731
    with pytest.raises(UserError, match=r"mixture mixes images .* differ \(8x8 and 8x4 pixels\): choose .* r1, or"):
        gradient_penalty.penalty(judge, REAL, smaller, KEYS, "mixture")
    assert float(gradient_penalty.penalty(judge, REAL, smaller, KEYS, "r1")) == pytest.approx(192)


def test_other_steps_skip_the_penalty() -> None:
    config = LossConfig(gradient_penalty="r1", gradient_penalty_weight=5.0, gradient_penalty_every=3)

    def objective(params: jax.Array) -> Any:
        return penalty_objective({"A": jnp.square(params), "B": params}, config)

    @jax.jit
    def added(step: jax.Array) -> Any:
        params = jnp.asarray(2.0)
        return gradient_penalty.added_to(jnp.asarray(1.0), objective, params, step, config.gradient_penalty_every)

    for step in range(7):
        grads, total, terms = added(jnp.asarray(step))
        due = step % 3 == 0
        assert float(grads) == (1 + 3 * 5 * (2 * 2 + 1) if due else 1)
        assert float(total) == (3 * 5 * (4 + 2) if due else 0)
        assert [float(terms[f"gradient_penalty_{domain}"]) for domain in "AB"] == ([4, 2] if due else [0, 0])


def test_the_penalty_counts_per_domain_as_the_loss_does() -> None:
    penalties: Any = {"A": jnp.asarray(1.0), "B": jnp.asarray(2.0)}
    for config, total in (
        (LossConfig(), 10 * 3),
        (LossConfig(domains="mean"), 10 * 3 / 2),
        (LossConfig(domains="mean", discriminator_domains="sum"), 10 * 3),
    ):
        assert float(penalty_objective(penalties, config)[0]) == total


def test_bfloat16_networks_have_penalties_in_float32() -> None:
    def value(dtype: str) -> tuple[Any, Any]:
        network = NLayerDiscriminator(3, 8, 1, key=jax.random.key(0), dtype=jnp.dtype(dtype))
        graphdef, params = nnx.split(network)
        real, fake = np.random.default_rng(0).uniform(-1, 1, (2, 2, 16, 16, 3)).astype(np.float32)

        def penalty(params: Any) -> jax.Array:
            judge = lambda images: nnx.merge(graphdef, params)(images)  # noqa: E731
            return gradient_penalty.penalty(judge, jnp.asarray(real), jnp.asarray(fake), KEYS[:2], "mixture")

        return jax.jit(jax.value_and_grad(penalty))(params)

    (wide, wide_grads), (narrow, narrow_grads) = value("float32"), value("bfloat16")
    assert narrow.dtype == jnp.float32
    assert float(narrow) == pytest.approx(float(wide), rel=0.05)
    pairs = zip(jax.tree.leaves_with_path(narrow_grads), jax.tree.leaves(wide_grads), strict=True)
    for one, other in ((one, other) for (path, one), other in pairs if "kernel" in str(path)):
        assert float(jnp.linalg.norm(one - other)) <= 0.15 * float(jnp.linalg.norm(other))


def test_the_default_depends_on_the_adversarial_loss() -> None:
    assert LossConfig().penalty == "none"
    assert LossConfig(gan="wgangp").penalty == "wgangp"
    assert LossConfig(gan="wgangp", gradient_penalty="none").penalty == "none"
    assert dataclasses.replace(LossConfig(gan="wgangp"), gan="hinge").penalty == "none"
