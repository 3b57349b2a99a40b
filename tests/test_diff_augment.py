"""Augmentation of what the discriminators see: its draws; tests/parity compares the operations with PyTorch's."""

import typing

import jax
import jax.numpy as jnp
import numpy as np

from cyclegan_jax import diff_augment
from cyclegan_jax.diff_augment import Draws
from cyclegan_jax.network_config import Augmentation

NAMES = typing.get_args(Augmentation)
KEYS = jax.random.split(jax.random.key(0), 512)
augment = jax.jit(diff_augment.augment, static_argnums=2)


def test_an_image_depends_on_its_own_key_alone() -> None:
    images = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 3)), jnp.float32)
    whole = augment(images, diff_augment.draw(KEYS[:8]), NAMES)
    part = augment(images[5:], diff_augment.draw(KEYS[5:8]), NAMES)
    np.testing.assert_allclose(whole[5:], part, atol=1e-6)


def test_translations_and_holes_reach_every_place_alike() -> None:
    ones = jnp.ones((512, 16, 16, 1))
    draws = diff_augment.draw(KEYS)
    moved = augment(ones, draws, ("translation",))[..., 0]
    # By -2 to 2 pixels along each axis: what comes in is zero.
    rows = 16 - np.asarray((moved.max(2) == 1).sum(1))
    assert sorted(np.unique(rows)) == [0, 1, 2]
    assert abs((rows == 0).mean() - 1 / 5) < 4 * (0.2 * 0.8 / 512) ** 0.5
    holes = np.asarray(augment(ones, draws, ("cutout",))[..., 0] == 0)
    # The centre is on one of 17 lines; 8 of them, -4 to 3 around it, cover a row, and fewer at the border.
    covered = holes.any(2).mean(0)
    assert np.abs(covered[4:12] - 8 / 17).max() < 4 * (0.25 / 512) ** 0.5
    assert np.abs(covered[0] - 5 / 17) < 4 * (0.25 / 512) ** 0.5
    assert holes.sum((1, 2)).max() == 64


def test_extreme_draws_stay_inside() -> None:
    image = jnp.arange(13 * 9, dtype=jnp.float32).reshape(1, 13, 9, 1) + 1
    for number in (0.0, 1 - 2**-24):
        whole, pair = jnp.full((1,), number), jnp.full((1, 2), number)
        draws = Draws(whole, whole, whole, pair, pair)
        moved = augment(image, draws, ("translation",))
        by = 2 if number else -2
        assert float(moved[0, 6, 4, 0]) == float(image[0, 6 + by, 4 + (1 if number else -1), 0])
        cut = augment(image, draws, ("cutout",))
        assert 0 < int((cut == 0).sum()) < 7 * 5
