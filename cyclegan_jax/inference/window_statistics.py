"""The instance norms' statistics over an image that memory does not hold whole, measured on windows of it.

A norm's input depends on the norms before it, and each needs its statistics over all windows. So there are as many
passes over the windows as norms: each pass measures one more norm, with the statistics of those before it. Where the
windows are all tiles of the image, this is exact.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx
from jaxtyping import Array, Float, Int32

from cyclegan_jax.inference import apply
from cyclegan_jax.inference.any_size import FloatImage, LayerStatistics, Translate, in_corners, record_statistics
from cyclegan_jax.inference.windows import Window
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.frame import Corner, WindowStatistics
from cyclegan_jax.networks.generator import GeneratorNetwork


class StatisticsOverWindows:
    """Measures the statistics of a generator's norms over windows of an image; called with the windows."""

    def __init__(self, definition: nnx.GraphDef[GeneratorNetwork], params: Params, precision: str, side: int):
        """Find the number of norms; the program is compiled when it is first used.

        Args:
            definition: the generator without weights.
            params: its parameters.
            precision: that of matrix products, `TrainConfig.precision`.
            side: the height and width of a window with its margins.
        """
        self._params, self.side = params, side
        translate = partial(apply.translate, definition, precision=precision)
        self._record = jax.jit(partial(_record, translate))
        empty = np.zeros((1, side, side, nnx.merge(definition, params).in_channels), np.float32)
        whole = np.full(1, side, np.int32)
        shapes = jax.eval_shape(partial(record_statistics, translate), params, empty, whole, whole)
        self._unknown: LayerStatistics = [
            (jnp.zeros(mean.shape, mean.dtype), jnp.ones(variance.shape, variance.dtype)) for mean, variance in shapes
        ]

    @property
    def norms(self) -> int:
        """The number of norms, and so of passes over the windows."""
        return len(self._unknown)

    def __call__(
        self,
        windows: Sequence[Window],
        pixels: Callable[[int], FloatImage],
        *,
        progress: Callable[[int, int], None],
    ) -> LayerStatistics:
        """Return the mean and variance of each channel, for each norm in the order of the layers.

        Args:
            windows: windows with margins that the generator does not see beyond.
            pixels: returns the pixels of a window in [-1, 1], given its number.
            progress: called with the number of windows done in all passes, and that of all.
        """
        known = list(self._unknown)
        counts = [window.inner_pixels for window in windows]
        for norm in range(self.norms):
            found = []
            for index, window in enumerate(windows):
                found.append(jax.device_get(self._of_window(window, pixels(index), known)[norm]))
                progress(norm * len(windows) + len(found), self.norms * len(windows))
            known[norm] = _pooled(found, counts)
        return known

    def _of_window(self, window: Window, image: FloatImage, known: LayerStatistics) -> LayerStatistics:
        arrays, heights, widths = in_corners([image], (self.side, self.side), 1)
        rows, columns = window.inside
        names, places = ("tops", "lefts", "bottoms", "rights"), (rows.start, columns.start, rows.stop, columns.stop)
        borders = {name: np.array([place], np.int32) for name, place in zip(names, places, strict=True)}
        return self._record(self._params, arrays, heights, widths, borders, known)


def _record(
    translate: Translate,
    params: Params,
    images: Float[Array, "N H W C"],
    heights: Int32[Array, " N"],
    widths: Int32[Array, " N"],
    borders: dict[str, Int32[Array, " N"]],
    given: LayerStatistics,
) -> LayerStatistics:
    corner = Corner(images.shape[1], heights, widths)
    frame = WindowStatistics(corner, given=iter(given), **borders)
    translate(params, images, frame=frame)
    return frame.recorded


def _pooled(
    found: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]], counts: Sequence[int]
) -> tuple[Float[Array, "1 1 1 _"], Float[Array, "1 1 1 _"]]:
    """Return the mean and variance over several windows together, given those of each and its number of pixels."""
    shares = np.asarray(counts, np.float64) / sum(counts)
    means, variances = (np.asarray(moments, np.float64) for moments in zip(*found, strict=True))
    mean = np.tensordot(shares, means, axes=1)
    variance = np.tensordot(shares, variances + np.square(means - mean), axes=1)
    dtype = found[0][0].dtype
    return jnp.asarray(mean, dtype), jnp.asarray(variance, dtype)
