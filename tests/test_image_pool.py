"""Filling, swapping and randomness of the image pool; tests/parity compares it with the official rule."""

import jax
import jax.numpy as jnp
import numpy as np

from cyclegan_jax import image_pool
from cyclegan_jax.image_pool import Draws, ImagePool

FLOAT32 = jnp.dtype(jnp.float32)


def images(*values: float) -> jax.Array:
    return jnp.array(values, jnp.float32).reshape(-1, 1, 1, 1)


def show(pool: ImagePool, values: jax.Array, swap: list[bool], place: list[int]) -> tuple[ImagePool, list[float]]:
    pool, shown = image_pool.query(pool, values, Draws(jnp.array(swap), jnp.array(place, jnp.int32)))
    return pool, shown.ravel().tolist()


def test_size_zero_is_no_pool() -> None:
    assert image_pool.empty(0, (1, 1, 1), FLOAT32) is None


def test_a_pool_fills_first_then_swaps_in_order() -> None:
    pool = image_pool.empty(2, (1, 1, 1), FLOAT32)
    assert pool is not None
    # The first two images fill the pool, whatever their draws; the third is swapped for the first of its own batch.
    pool, shown = show(pool, images(1, 2, 3), [True, True, True], [1, 1, 0])
    assert shown == [1, 2, 1]
    assert pool.images.ravel().tolist() == [3, 2]
    pool, shown = show(pool, images(4, 5, 6), [False, True, True], [0, 1, 1])
    assert shown == [4, 2, 5]
    assert pool.images.ravel().tolist() == [3, 6]
    assert int(pool.filled) == 2


def test_draws_are_fair_and_depend_only_on_the_key() -> None:
    draws = image_pool.draw(jax.random.key(0), 4000, 5)
    again = image_pool.draw(jax.random.key(0), 4000, 5)
    assert jax.tree.all(jax.tree.map(np.array_equal, draws, again))
    # 4 standard deviations of a mean of 4000 draws.
    assert abs(float(draws.swap.mean()) - 0.5) < 4 * 0.5 / 4000**0.5
    counts = np.bincount(np.asarray(draws.place), minlength=5)
    assert counts.size == 5
    assert abs(counts - 800).max() < 4 * (4000 * 0.2 * 0.8) ** 0.5
    # Whether an image is swapped must not correlate with the place.
    assert abs(np.corrcoef(draws.swap, draws.place)[0, 1]) < 4 / 4000**0.5
