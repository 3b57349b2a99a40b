"""The pool's filling, exchange and randomness; the comparison with the official rule stands in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np

from cyclegan_jax import image_pool
from cyclegan_jax.image_pool import Draws


def images(*values: float) -> jax.Array:
    return jnp.array(values, jnp.float32).reshape(-1, 1, 1, 1)


def show(pool: image_pool.ImagePool, values: jax.Array, swap: list[bool], index: list[int]):
    pool, shown = image_pool.query(pool, values, Draws(jnp.array(swap), jnp.array(index, jnp.int32)))
    return pool, shown.ravel().tolist()


def test_size_zero_is_no_pool():
    assert image_pool.empty(0, (1, 1, 1), jnp.float32) is None


def test_fills_first_whatever_the_draws_then_exchanges_in_order():
    pool = image_pool.empty(2, (1, 1, 1), jnp.float32)
    assert pool is not None
    # The batch of three fills both places and exchanges its last image for the first, stored a moment before.
    pool, shown = show(pool, images(1, 2, 3), [True, True, True], [1, 1, 0])
    assert shown == [1, 2, 1]
    assert pool.images.ravel().tolist() == [3, 2]
    pool, shown = show(pool, images(4, 5, 6), [False, True, True], [0, 1, 1])
    assert shown == [4, 2, 5]
    assert pool.images.ravel().tolist() == [3, 6]
    assert int(pool.filled) == 2


def test_draws_are_a_pure_function_of_the_key_and_fair():
    draws = image_pool.draw(jax.random.key(0), 4000, 5)
    again = image_pool.draw(jax.random.key(0), 4000, 5)
    assert jax.tree.all(jax.tree.map(np.array_equal, draws, again))
    # 4 standard deviations of a mean of 4000 draws.
    assert abs(float(draws.swap.mean()) - 0.5) < 4 * 0.5 / 4000**0.5
    counts = np.bincount(draws.place, minlength=5)
    assert counts.size == 5
    assert abs(counts - 800).max() < 4 * (4000 * 0.2 * 0.8) ** 0.5
    # Which image is stored must not depend on whether one is.
    assert abs(np.corrcoef(draws.swap, draws.place)[0, 1]) < 4 / 4000**0.5
