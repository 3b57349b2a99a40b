"""The instance norms' statistics over an image that memory does not hold whole, measured on windows of it.

A norm's input depends on the norms before it. Each pass normalises all windows by the statistics that the pass before
found over all windows together, so after k passes the first k norms have exact statistics over the windows: those over
the whole image where the windows are all its tiles. In practice the statistics stop changing much earlier.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx
from jaxtyping import Array, Bool, Float, Int32

from cyclegan_jax.inference import apply
from cyclegan_jax.inference.any_size import FloatImage, LayerStatistics, Translate, in_corners, record_statistics
from cyclegan_jax.inference.windows import Window
from cyclegan_jax.kernels.instance_norm import EPS
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.frame import Corner, WindowStatistics
from cyclegan_jax.networks.generator import GeneratorNetwork

_TOLERANCE: Final = 0.01
"""Statistics have settled when a pass changes none by more than this share of its channel's standard deviation."""


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
        self._unknown: LayerStatistics = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

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
            progress: called with the number of windows done in all passes, and of those in the most passes.
        """
        known, passes = self._unknown, len(self._unknown)
        for number in range(passes):
            found = []
            for index, window in enumerate(windows):
                found.append(jax.device_get(self._of_window(window, pixels(index), known, has_given=number > 0)))
                progress(number * len(windows) + len(found), passes * len(windows))
            before, known = known, _pooled(found, [window.inner_pixels for window in windows], like=self._unknown)
            if number and _change(before, known) <= _TOLERANCE:
                progress(passes * len(windows), passes * len(windows))
                break
        return known

    def _of_window(
        self, window: Window, image: FloatImage, known: LayerStatistics, *, has_given: bool
    ) -> LayerStatistics:
        arrays, heights, widths = in_corners([image], (self.side, self.side), 1)
        rows, columns = window.inside
        names, places = ("tops", "lefts", "bottoms", "rights"), (rows.start, columns.start, rows.stop, columns.stop)
        borders = {name: np.array([place], np.int32) for name, place in zip(names, places, strict=True)}
        return self._record(self._params, arrays, heights, widths, borders, known, np.bool_(has_given))


def _record(
    translate: Translate,
    params: Params,
    images: Float[Array, "N H W C"],
    heights: Int32[Array, " N"],
    widths: Int32[Array, " N"],
    borders: dict[str, Int32[Array, " N"]],
    given: LayerStatistics,
    has_given: Bool[Array, ""],
) -> LayerStatistics:
    corner = Corner(images.shape[1], heights, widths)
    frame = WindowStatistics(corner, given=iter(given), has_given=has_given, **borders)
    translate(params, images, frame=frame)
    return frame.recorded


def _pooled(found: Sequence[LayerStatistics], pixels: Sequence[int], *, like: LayerStatistics) -> LayerStatistics:
    """Return the statistics over several windows together, given those of each and its number of pixels."""
    shares = np.asarray(pixels, np.float64) / sum(pixels)

    def over_windows(moments: list[npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        return np.tensordot(shares, np.asarray(moments, np.float64), axes=1)

    pooled: LayerStatistics = []
    for layer, (mean_like, _) in enumerate(like):
        means, variances = zip(*(statistics[layer] for statistics in found), strict=True)
        mean = over_windows(list(means))
        spread = [
            variance + np.square(np.asarray(own, np.float64) - mean)
            for own, variance in zip(means, variances, strict=True)
        ]
        pooled.append((jnp.asarray(mean, mean_like.dtype), jnp.asarray(over_windows(spread), mean_like.dtype)))
    return pooled


def _change(before: LayerStatistics, after: LayerStatistics) -> float:
    """Return the largest change of a mean or a standard deviation, as a share of the standard deviation."""
    largest = 0.0
    for (old_mean, old_variance), (mean, variance) in zip(before, after, strict=True):
        deviation = np.sqrt(np.asarray(variance) + EPS)
        for change in (np.asarray(mean - old_mean), deviation - np.sqrt(np.asarray(old_variance) + EPS)):
            largest = max(largest, float(np.max(np.abs(change) / deviation)))
    return largest
