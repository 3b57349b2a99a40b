"""The pool of earlier generated images that a discriminator sees (paper, section 4), as a pure function.

A discriminator that sees older images besides the newest ones makes training oscillate less (Shrivastava et al., 2017).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


class ImagePool(NamedTuple):
    """Up to `size` generated images of one domain.

    Attributes:
        images: the stored images in [-1, 1]; zeros in the places not filled yet.
        filled: the number of stored images, int32.
    """

    images: Float[Array, "size H W C"]
    filled: Int[Array, ""]


class Draws(NamedTuple):
    """The random choices for N images, in their order.

    Attributes:
        swap: whether a full pool swaps the image for a stored one.
        place: the place of that stored image, int32 in [0, size).
    """

    swap: Bool[Array, " N"]
    place: Int[Array, " N"]


def empty(size: int, image_shape: tuple[int, int, int], dtype: jnp.dtype) -> ImagePool | None:
    """Return a pool without images, for `size` images of shape (H, W, C); None for size 0, which means no pool."""
    if size == 0:
        return None
    return ImagePool(jnp.zeros((size, *image_shape), dtype), jnp.zeros((), jnp.int32))


def draw(key: Key[Array, ""], number: int, size: int) -> Draws:
    """Draw the choices for `number` images: swap with probability 1/2, every place with the same probability."""
    swap_key, place_key = jax.random.split(key)
    return Draws(
        swap=jax.random.bernoulli(swap_key, 0.5, (number,)),
        place=jax.random.randint(place_key, (number,), 0, size, jnp.int32),
    )


def query(pool: ImagePool, images: Float[Array, "N H W C"], draws: Draws) -> tuple[ImagePool, Float[Array, "N H W C"]]:
    """Show new images to the pool one after another, and return as many for the discriminator.

    The rule is that of the official code's `ImagePool` and of PyTorch-GAN's `ReplayBuffer`: while the pool is not full,
    it stores and returns the new image. A full pool returns a stored image and stores the new one in its place if
    `draws.swap`; otherwise it returns the new image and does not store it.

    Args:
        pool: the stored images.
        images: new images in [-1, 1].
        draws: the choices for these images.

    Returns:
        The pool afterwards, and the images for the discriminator.
    """
    size = pool.images.shape[0]

    def show_one(pool: ImagePool, item: tuple[jax.Array, Draws]) -> tuple[ImagePool, jax.Array]:
        image, (swap, drawn_place) = item
        filling = pool.filled < size
        place = jnp.where(filling, pool.filled, drawn_place)
        stored = pool.images[place]
        returned = jnp.where(filling | ~swap, image, stored)
        kept = jnp.where(filling | swap, image, stored)
        return ImagePool(pool.images.at[place].set(kept), jnp.minimum(pool.filled + 1, size)), returned

    # A scan, because a later image of the batch may be swapped for an earlier one.
    return jax.lax.scan(show_one, pool, (images.astype(pool.images.dtype), draws))
