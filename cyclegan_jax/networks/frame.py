"""How much of an array is image, for the operations to which that matters: mirroring, zero padding, instance norm.

In training, an array is image all over. To translate images of many sizes with few compilations, each image is put into
the corner of a larger array: with `Corner` the network computes the same as for the image alone, up to rounding. To
translate an image in tiles, or the frames of a clip alike, `RecordingStatistics` takes the norms' statistics from one
pass, and `GivenStatistics` uses them in another. `WindowStatistics` does both at once, for images of which no pass sees
the whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cyclegan_jax.kernels import instance_norm as norm
from cyclegan_jax.kernels.choice import Kernels
from cyclegan_jax.kernels.instance_norm import Statistics, normalize, pooled, statistics
from cyclegan_jax.networks.layers import reflection_pad

Images = Float[Array, "N H W C"]
Padded = Float[Array, "N P Q C"]


@runtime_checkable
class Frame(Protocol):
    """Where the image ends in the arrays that a generator computes with."""

    def reflect(self, x: Images, pad: int) -> Padded:
        """Pad by mirroring at the image's borders: P is H + 2 pad, Q is W + 2 pad."""

    def replicate(self, x: Images) -> Padded:
        """Pad by one pixel, a copy of the image's border: P is H + 2, Q is W + 2."""

    def clear(self, x: Images) -> Images:
        """Set everything outside of the image to 0, before a convolution that pads with zeros."""

    def instance_norm(self, x: Images, kernels: Kernels) -> Images:
        """Normalise each image and channel by its mean and variance over the image."""


class WholeArray:
    """The image fills its array."""

    def reflect(self, x: Images, pad: int) -> Padded:
        """Pad by mirroring at the array's borders."""
        return reflection_pad(x, pad)

    def replicate(self, x: Images) -> Padded:
        """Pad by copies of the array's border."""
        return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")

    def clear(self, x: Images) -> Images:
        """Return `x`: nothing lies outside."""
        return x

    def instance_norm(self, x: Images, kernels: Kernels) -> Images:
        """Normalise over all pixels, in the form that `kernels` chooses."""
        return norm.instance_norm(x, kernels)

    def statistics(self, x: Images) -> Statistics:
        """Mean and variance over all pixels."""
        return statistics(x)


WHOLE_ARRAY: Final = WholeArray()


@dataclass(frozen=True)
class Corner:
    """Each image lies in the upper left corner of its array.

    Attributes:
        side: the height of the arrays at full resolution; their ratio to an activation's height is its scale.
        heights: the images' own heights, at full resolution; multiples of the generator's `size_multiple`.
        widths: their widths.
    """

    side: int
    heights: Int[Array, " N"]
    widths: Int[Array, " N"]

    def reflect(self, x: Images, pad: int) -> Padded:
        """Gather each row and column from where mirroring at the image's borders puts it."""
        heights, widths = self._sizes(x)
        rows = _mirrored(jnp.arange(-pad, x.shape[1] + pad), heights[:, None])
        columns = _mirrored(jnp.arange(-pad, x.shape[2] + pad), widths[:, None])
        return _gathered(x, rows, columns)

    def replicate(self, x: Images) -> Padded:
        """Gather each row and column, those outside of the image from its border."""
        heights, widths = self._sizes(x)
        rows = jnp.clip(jnp.arange(-1, x.shape[1] + 1), 0, heights[:, None] - 1)
        columns = jnp.clip(jnp.arange(-1, x.shape[2] + 1), 0, widths[:, None] - 1)
        return _gathered(x, rows, columns)

    def clear(self, x: Images) -> Images:
        """Set everything outside of the corner to 0."""
        return jnp.where(self._inside(x), x, 0)

    def instance_norm(self, x: Images, kernels: Kernels) -> Images:
        """Normalise over the corner; there is one form, whatever `kernels` are."""
        return normalize(x, *self.statistics(x))

    def statistics(self, x: Images) -> Statistics:
        """Mean and variance over the corner."""
        return statistics(x, self._inside(x))

    def _sizes(self, x: Images) -> tuple[Int[Array, " N"], Int[Array, " N"]]:
        scale = self.side // x.shape[1]
        return self.heights // scale, self.widths // scale

    def _inside(self, x: Images) -> Bool[Array, "N H W 1"]:
        heights, widths = self._sizes(x)
        rows = jnp.arange(x.shape[1]) < heights[:, None]
        columns = jnp.arange(x.shape[2]) < widths[:, None]
        return rows[:, :, None, None] & columns[:, None, :, None]


class _WithinFrame:
    """Where the image ends is for another frame to say; the norms are the subclasses'."""

    frame: Frame

    def reflect(self, x: Images, pad: int) -> Padded:
        """Pad by mirroring at the borders of `frame`."""
        return self.frame.reflect(x, pad)

    def replicate(self, x: Images) -> Padded:
        """Pad by copies of the border of `frame`."""
        return self.frame.replicate(x)

    def clear(self, x: Images) -> Images:
        """Set everything outside of `frame` to 0."""
        return self.frame.clear(x)


@dataclass
class RecordingStatistics(_WithinFrame):
    """Normalises all images of a batch, which have one size, as if they were one image, and keeps its statistics.

    Attributes:
        frame: where the images end.
        recorded: the statistics of each norm so far, in the order of the layers.
    """

    frame: WholeArray | Corner
    recorded: list[Statistics] = field(default_factory=list)

    def instance_norm(self, x: Images, kernels: Kernels) -> Images:
        """Normalise by the statistics of all images together and keep them."""
        self.recorded.append(pooled(*self.frame.statistics(x)))
        return normalize(x, *self.recorded[-1])


@dataclass
class GivenStatistics(_WithinFrame):
    """Normalises by statistics that `RecordingStatistics` has kept, in the same order of the layers.

    Attributes:
        frame: where the images end.
        remaining: the statistics of the norms that are still to come.
    """

    frame: Frame
    remaining: Iterator[Statistics]

    def instance_norm(self, x: Images, kernels: Kernels) -> Images:
        """Normalise by the next statistics."""
        return normalize(x, *next(self.remaining))


@dataclass
class WindowStatistics(_WithinFrame):
    """Normalises a window of an image by given statistics, and records those of the part inside its margins.

    Attributes:
        frame: where the windows end.
        tops: the first row inside the margins of each window, at full resolution.
        lefts: the first column inside them.
        bottoms: the row after the last one; all four are multiples of the generator's `size_multiple`.
        rights: the column after the last one.
        given: the statistics of the norms that are still to come.
        recorded: the statistics of each norm so far.
    """

    frame: Corner
    tops: Int[Array, " N"]
    lefts: Int[Array, " N"]
    bottoms: Int[Array, " N"]
    rights: Int[Array, " N"]
    given: Iterator[Statistics]
    recorded: list[Statistics] = field(default_factory=list, init=False)

    def instance_norm(self, x: Images, kernels: Kernels) -> Images:
        """Normalise by the next statistics, and record those inside the margins."""
        self.recorded.append(statistics(x, self._inside(x)))
        return normalize(x, *next(self.given))

    def _inside(self, x: Images) -> Bool[Array, "N H W 1"]:
        scale = self.frame.side // x.shape[1]
        rows, columns = jnp.arange(x.shape[1]) * scale, jnp.arange(x.shape[2]) * scale
        inside_rows = (rows >= self.tops[:, None]) & (rows < self.bottoms[:, None])
        inside_columns = (columns >= self.lefts[:, None]) & (columns < self.rights[:, None])
        return inside_rows[:, :, None, None] & inside_columns[:, None, :, None]


def _gathered(x: Images, rows: Int[Array, "N P"], columns: Int[Array, "N Q"]) -> Padded:
    return jax.vmap(lambda image, row, column: image[row][:, column])(x, rows, columns)


def _mirrored(places: Int[Array, " P"], length: Int[Array, "N 1"]) -> Int[Array, "N P"]:
    """The pixel, of `length`, that mirroring puts at each place before the first or after the last one.

    Places so far outside that mirroring once does not reach them get some pixel: a network never looks at those.
    """
    last = length - 1
    # |p| mirrors at pixel 0, last - |last - p| at the last one.
    return jnp.clip(last - jnp.abs(last - jnp.abs(places)), 0, last)
