"""The history of generated images that discriminators are shown (paper, section 4), as a pure function.

The discriminators see a mix of new and older generated images, which damps oscillation (Shrivastava et al., 2017).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class ImagePool(NamedTuple):
    """Up to `size` generated images of one domain.

    Attributes:
        images: (size, H, W, C) in [-1, 1].
        filled: () int32, how many of them there are.
    """

    images: jax.Array
    filled: jax.Array


class Draws(NamedTuple):
    """The random choices for N images, in their order.

    Attributes:
        swap: (N,) bool, whether the image is exchanged for a stored one once the pool is full.
        place: (N,) int32 in [0, size), which one.
    """

    swap: jax.Array
    place: jax.Array


def empty(size: int, image_shape: tuple[int, int, int], dtype: jnp.dtype) -> ImagePool | None:
    """A pool of `size` images of shape (H, W, C) with none in it yet; None, which stores nothing, for size 0."""
    if size == 0:
        return None
    return ImagePool(jnp.zeros((size, *image_shape), dtype), jnp.zeros((), jnp.int32))


def draw(key: jax.Array, number: int, size: int) -> Draws:
    """The choices for `number` images: swap with probability one half, with each stored image alike."""
    swap_key, index_key = jax.random.split(key)
    return Draws(
        swap=jax.random.bernoulli(swap_key, 0.5, (number,)),
        place=jax.random.randint(index_key, (number,), 0, size, jnp.int32),
    )


def query(pool: ImagePool, images: jax.Array, draws: Draws) -> tuple[ImagePool, jax.Array]:
    """Show the pool new images and take as many from it, one after the other as the official `ImagePool` does.

    While the pool is not full an image is stored and returned. Afterwards, where `draws.swap` says so, a stored image
    is returned and the new one takes its place; else the new one is returned and not stored.

    Args:
        pool: the history.
        images: (N, H, W, C) new images.
        draws: the choices for these N images.

    Returns:
        The pool after them, and the (N, H, W, C) images for the discriminator.
    """
    size = pool.images.shape[0]

    def one(pool: ImagePool, item: tuple[jax.Array, Draws]) -> tuple[ImagePool, jax.Array]:
        image, (swap, chosen) = item
        filling = pool.filled < size
        place = jnp.where(filling, pool.filled, chosen)
        stored = pool.images[place]
        returned = jnp.where(filling | ~swap, image, stored)
        kept = jnp.where(filling | swap, image, stored)
        return ImagePool(pool.images.at[place].set(kept), jnp.minimum(pool.filled + 1, size)), returned

    # Images of one batch can meet in the pool, so the order matters: a scan, not a gather.
    return jax.lax.scan(one, pool, (images.astype(pool.images.dtype), draws))
