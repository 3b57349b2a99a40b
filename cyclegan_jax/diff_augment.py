"""Differentiable augmentation of what the discriminators see (Zhao et al., "DiffAugment", 2020).

Real and generated images are changed alike, so a discriminator cannot learn a small training set by heart, and the
generators, whose gradients pass through the changes, do not learn to make them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from cyclegan_jax.network_config import Augmentation

Images = Float[Array, "N H W C"]

_SHIFT: Final = 1 / 8
"""Largest translation, as a share of height and width."""
_HOLE: Final = 1 / 2
"""Height and width of the hole, as a share of the image's."""


class Draws(NamedTuple):
    """The random numbers for N images, uniform in [0, 1) in float32; two of a kind are for height and width."""

    brightness: Float[Array, " N"]
    saturation: Float[Array, " N"]
    contrast: Float[Array, " N"]
    translation: Float[Array, "N 2"]
    cutout: Float[Array, "N 2"]


def draw(keys: Key[Array, " N"]) -> Draws:
    """Draw the numbers of each image from its own key."""
    numbers = jax.vmap(lambda key: jax.random.uniform(key, (7,), jnp.float32))(keys)
    return Draws(numbers[:, 0], numbers[:, 1], numbers[:, 2], numbers[:, 3:5], numbers[:, 5:7])


def augment(images: Images, draws: Draws, names: Sequence[Augmentation]) -> Images:
    """Change images in the ways of these names, one after the other; the result may leave [-1, 1].

    * `color`: brightness, saturation and contrast, by up to 0.5, by a factor below 2, and by one of 0.5 to 1.5;
    * `translation`: by up to an eighth of height and width, with zeros coming in;
    * `cutout`: a hole of zeros, half as high and wide as the image, anywhere, and cut off at the border.

    Args:
        images: in [-1, 1].
        draws: the random numbers. The same ones change images of two sizes in proportion.
        names: in their order.
    """
    for name in names:
        images = _OPERATIONS[name](images, draws)
    return images


def _color(images: Images, draws: Draws) -> Images:
    brightness, saturation, contrast = (
        number.astype(images.dtype).reshape(-1, 1, 1, 1)
        for number in (draws.brightness, draws.saturation, draws.contrast)
    )
    images = images + (brightness - 0.5)
    gray = images.mean(3, keepdims=True)
    images = (images - gray) * (2 * saturation) + gray
    mean = images.mean((1, 2, 3), keepdims=True)
    return (images - mean) * (contrast + 0.5) + mean


def _translation(images: Images, draws: Draws) -> Images:
    height, width, channels = images.shape[1:]
    most = [_rounded(size * _SHIFT) for size in (height, width)]
    moved = jnp.stack([_whole(draws.translation[:, axis], 2 * most[axis] + 1) for axis in range(2)], axis=1)
    padded = jnp.pad(images, ((0, 0), (most[0], most[0]), (most[1], most[1]), (0, 0)))

    def window(image: Float[Array, "P Q C"], start: Int[Array, "2"]) -> Float[Array, "H W C"]:
        return jax.lax.dynamic_slice(image, (*start, jnp.zeros_like(start[0])), (height, width, channels))

    # Output pixel p is input pixel p + start - most: `start` runs over 0 to 2 most.
    return jax.vmap(window)(padded, moved)


def _cutout(images: Images, draws: Draws) -> Images:
    rows, columns = (_in_hole(images.shape[1 + axis], draws.cutout[:, axis]) for axis in range(2))
    hole = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.where(hole, 0, images)


def _in_hole(size: int, number: Float[Array, " N"]) -> Bool[Array, "N size"]:
    """Which rows, or columns, of each image the hole covers."""
    hole = _rounded(size * _HOLE)
    # The hole's centre may be anywhere, so that it covers the border as often as the middle.
    start = _whole(number, size + 1 - hole % 2) - hole // 2
    places = jnp.arange(size) - start[:, None]
    return (places >= 0) & (places < hole)


def _whole(number: Float[Array, " N"], below: int) -> Int[Array, " N"]:
    """Integers from 0 to `below - 1`, all equally likely, from numbers in [0, 1)."""
    return jnp.floor(number * below).astype(jnp.int32)


def _rounded(number: float) -> int:
    # Halves up, as in the published code; Python's `round` takes them to the even neighbour.
    return int(number + 0.5)


_OPERATIONS: Final[Mapping[Augmentation, Callable[[Images, Draws], Images]]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}
