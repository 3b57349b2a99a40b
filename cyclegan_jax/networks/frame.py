"""How much of an array is image, for the layers to which that matters: mirroring, zero padding, instance norm.

In training an array is image all over. To translate images of many sizes with few compilations, each is put into the
corner of a larger array: `Part` lets the network treat it to the bit of rounding as if it were alone. To translate an
image in tiles, `Recorded` takes the norms' statistics from one pass, and `Given` uses them in another.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import jax
import jax.numpy as jnp

from cyclegan_jax.kernels import instance_norm as norm
from cyclegan_jax.kernels.instance_norm import Statistics, normalize, statistics
from cyclegan_jax.networks.layers import reflection_pad


class Extent(Protocol):
    """What a generator needs to know of where its image ends."""

    def reflect(self, x: jax.Array, pad: int) -> jax.Array:
        """Pad by mirroring at the image's borders: (N, H, W, C) to (N, H + 2 pad, W + 2 pad, C)."""

    def clear(self, x: jax.Array) -> jax.Array:
        """Zero what is outside the image, before a convolution that pads by zeros."""

    def instance_norm(self, x: jax.Array) -> jax.Array:
        """Normalise each image and channel by its mean and variance over the image."""


class Whole:
    """The array is image all over."""

    def reflect(self, x: jax.Array, pad: int) -> jax.Array:
        """Plain reflection padding."""
        return reflection_pad(x, pad)

    def clear(self, x: jax.Array) -> jax.Array:
        """There is nothing outside."""
        return x

    def instance_norm(self, x: jax.Array) -> jax.Array:
        """Over all pixels."""
        return norm.instance_norm(x)

    def statistics(self, x: jax.Array) -> Statistics:
        """Mean and variance over all pixels, each (N, 1, 1, C)."""
        return statistics(x)


@dataclass(frozen=True)
class Part:
    """Each image lies in the upper left corner of its array.

    Attributes:
        side: the height of the arrays at full resolution, by which layers know their scale.
        heights: (N,) int32, the images' own, at full resolution; multiples of the generator's `size_multiple`.
        widths: (N,) int32.
    """

    side: int
    heights: jax.Array
    widths: jax.Array

    def reflect(self, x: jax.Array, pad: int) -> jax.Array:
        """Gather each row and column from where mirroring puts it."""
        heights, widths = self._sizes(x)
        rows = _mirrored(jnp.arange(-pad, x.shape[1] + pad), heights[:, None])
        columns = _mirrored(jnp.arange(-pad, x.shape[2] + pad), widths[:, None])
        return jax.vmap(lambda image, row, column: image[row][:, column])(x, rows, columns)

    def clear(self, x: jax.Array) -> jax.Array:
        """Keep the corner."""
        return jnp.where(self._inside(x), x, 0)

    def instance_norm(self, x: jax.Array) -> jax.Array:
        """Over the corner."""
        return normalize(x, *self.statistics(x))

    def statistics(self, x: jax.Array) -> Statistics:
        """Mean and variance over the corner, each (N, 1, 1, C)."""
        return statistics(x, self._inside(x))

    def _sizes(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        scale = self.side // x.shape[1]
        return self.heights // scale, self.widths // scale

    def _inside(self, x: jax.Array) -> jax.Array:
        heights, widths = self._sizes(x)
        rows = jnp.arange(x.shape[1]) < heights[:, None]
        columns = jnp.arange(x.shape[2]) < widths[:, None]
        return rows[:, :, None, None] & columns[:, None, :, None]


@dataclass
class Recorded:
    """Keeps the statistics that the norms take, in the order of the layers."""

    extent: Whole | Part
    taken: list[Statistics] = field(default_factory=list)

    def reflect(self, x: jax.Array, pad: int) -> jax.Array:
        """As the extent does."""
        return self.extent.reflect(x, pad)

    def clear(self, x: jax.Array) -> jax.Array:
        """As the extent does."""
        return self.extent.clear(x)

    def instance_norm(self, x: jax.Array) -> jax.Array:
        """As the extent does; what it takes is kept."""
        self.taken.append(self.extent.statistics(x))
        return normalize(x, *self.taken[-1])


@dataclass
class Given:
    """Uses statistics that `Recorded` has kept."""

    extent: Extent
    remaining: Iterator[Statistics]

    def reflect(self, x: jax.Array, pad: int) -> jax.Array:
        """As the extent does."""
        return self.extent.reflect(x, pad)

    def clear(self, x: jax.Array) -> jax.Array:
        """As the extent does."""
        return self.extent.clear(x)

    def instance_norm(self, x: jax.Array) -> jax.Array:
        """By the statistics of the same layer."""
        return normalize(x, *next(self.remaining))


def _mirrored(places: jax.Array, length: jax.Array) -> jax.Array:
    """Where a place before the first or behind the last of `length` pixels is mirrored to; far outside, anywhere."""
    last = length - 1
    return jnp.clip(last - jnp.abs(last - jnp.abs(places)), 0, last)
