"""Images that memory does not hold: translated window by window, from TIFF files to TIFF files.

Memory depends on the size of the tiles, not on that of the image. Tiles are exact, as those of `any_size`, but for the
instance norms' statistics, which are measured on windows spread over the image, see `window_statistics`.
"""

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import jax
import numpy as np
from flax import nnx

from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import any_size, apply, tiff_tiles, tiff_windows, user_images, windows
from cyclegan_jax.inference.any_size import FloatImage, LayerStatistics
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.inference.image_files import Values
from cyclegan_jax.inference.tiff_windows import TiffWindows
from cyclegan_jax.inference.translate_files import Summary
from cyclegan_jax.inference.user_images import ModelImage
from cyclegan_jax.inference.window_statistics import StatisticsOverWindows
from cyclegan_jax.inference.windows import Window
from cyclegan_jax.networks.layers import accepted_side

_WINDOWS: Final = (32, 64)
"""How many windows the statistics are measured on, at least and at most: as many as take as long as the tiles."""
_WINDOW: Final = 512
"""Side of such a window with its margins, pixels; larger for generators that see far."""
_LEAST_INSIDE: Final = 256
"""The least side inside its margins."""
_KEPT_BYTES: Final = 2**29
"""There are fewer windows where they would have more bytes together: they are kept for all passes."""


class InputError(UserError):
    """The image to translate is at fault: others may be translated."""


Bar = Callable[[int, int], None]
"""Called with the number of parts done and of all."""


def translate_files(
    generator: Generator,
    chosen: Mapping[Path, Path],
    summary: Summary,
    *,
    tile: int | None,
    max_size: int | None,
    bar: Callable[[str], Bar],
) -> None:
    """Translate huge files one by one; those that cannot be read are skipped, with their error in the summary.

    Args:
        generator: the generator.
        chosen: output file by input file.
        summary: counts and errors, added to.
        tile: as for `WindowByWindow`.
        max_size: what `translate_files.translate_files` scales images down to; huge ones are refused.
        bar: as for `WindowByWindow.translate`.

    Raises:
        UserError: an output cannot be written, or the tile is too small.
    """
    begin = time.monotonic()
    translator = WindowByWindow(generator, tile) if chosen else None
    for file, target in chosen.items():
        assert translator is not None
        try:
            if max_size is not None:
                raise InputError(f"the image {file} is read by windows and not scaled: leave --max_size out")
            translator.translate(file, target, bar=bar)
            summary.translated += 1
        except InputError as error:
            summary.skipped.append(str(error))
    summary.seconds += time.monotonic() - begin


class WindowByWindow:
    """A generator for TIFF files of any size."""

    def __init__(self, generator: Generator, tile: int | None = None):
        """Compile nothing yet; the two programs are compiled for the first image.

        Args:
            generator: the generator.
            tile: side of the tiles with their margins, pixels; None is that of `Generator.translate`.

        Raises:
            UserError: the tile is too small for its margins.
        """
        self._generator, config = generator, generator.config
        network = nnx.merge(generator.graphdef, generator.params)
        self._multiple, self._least = network.size_multiple, network.min_size
        self._margin = any_size.margin(config.generator)
        # The part of a tile inside its margins is a tile of the file.
        self._step = _step(tile or max(any_size.TILE, 4 * self._margin), self._margin, self._multiple)
        self._side = self._step + 2 * self._margin
        translate = partial(apply.translate, generator.graphdef, precision=config.precision)
        self._tile = jax.jit(partial(any_size.translate_with_statistics, translate))
        window = max(_WINDOW, 2 * self._margin + _LEAST_INSIDE)
        self._measure = StatisticsOverWindows(generator.graphdef, generator.params, config.precision, window)

    def translate(self, file: Path, target: Path, *, bar: Callable[[str], Bar], samples: int | None = None) -> None:
        """Translate a TIFF file to a tiled BigTIFF file with the same georeference and resolution.

        Args:
            file: the TIFF file; its first image is translated, at full size.
            target: the file to create or replace.
            bar: returns what is called with the progress of a task, given the name of the task's parts.
            samples: how many windows the norms' statistics are measured on. Where they are enough to cover the image,
                the result is that of the whole image. None chooses, see `_WINDOWS`.

        Raises:
            InputError: the file cannot be read, or its values are not of the kind that the model was trained with.
            UserError: the target cannot be written.
        """
        with contextlib.ExitStack() as stack:
            with _blaming_input():
                source = stack.enter_context(tiff_windows.opened(file))
            statistics = self._statistics(source, samples, bar("windows for the statistics"))
            tiles = self._tiles(source, statistics, bar("tiles"))
            first = next(tiles)
            everything = itertools.chain([first], tiles)
            tiff_tiles.write(target, everything, source, self._step, first.shape[2], first.dtype)

    def _statistics(self, source: TiffWindows, samples: int | None, progress: Bar) -> LayerStatistics:
        """Measure the norms' statistics on windows spread over the image."""
        side = self._measure.side
        pixel = self._stored(source, Window(*[slice(0, 1)] * 4))
        if samples is None:
            least, most = _WINDOWS
            samples = min(
                most, max(least, math.prod(self._size(source)) // (side * side * max(1, self._measure.norms)))
            )
        samples = min(samples, max(1, _KEPT_BYTES // (side * side * pixel.nbytes)))
        height, width = self._size(source)
        sampled = windows.sample(height, width, side, self._margin, multiple=self._multiple, number=samples)
        # Kept as they are stored, which takes a quarter of the memory of what the network takes.
        kept = [self._stored(source, window) for window in sampled]

        def pixels(index: int) -> FloatImage:
            return self._to_model(source, sampled[index], kept[index]).pixels

        return self._measure(sampled, pixels, progress=progress)

    def _tiles(self, source: TiffWindows, statistics: LayerStatistics, progress: Bar) -> Iterator[Values]:
        """Yield the translated tiles, row by row, in the channels and the dtype of the result."""
        places = list(windows.tiles(*self._size(source), self._side, self._margin))
        before: Callable[[], Values] | None = None
        for number, window in enumerate(places):
            ready = self._to_model(source, window, self._stored(source, window))
            arrays = any_size.in_corners([ready.pixels], (self._side, self._side), 1)
            output = self._tile(self._generator.params, *arrays, statistics)
            # JAX computes in the background: meanwhile the tile before is written, and the next one read.
            if before is not None:
                values = before()
                progress(number, len(places))
                yield values
            before = partial(self._finished, source, window, ready, output)
        assert before is not None
        values = before()
        progress(len(places), len(places))
        yield values

    def _size(self, source: TiffWindows) -> tuple[int, int]:
        """The height and width to which the image is mirrored at its lower and right border, for the network."""
        return (
            accepted_side(source.height, multiple=self._multiple, minimum=self._least),
            accepted_side(source.width, multiple=self._multiple, minimum=self._least),
        )

    def _stored(self, source: TiffWindows, window: Window) -> Values:
        """Read the part of a window that lies inside the image."""
        rows = slice(window.rows.start, min(window.rows.stop, source.height))
        columns = slice(window.columns.start, min(window.columns.stop, source.width))
        with _blaming_input():
            return source.read(rows, columns)

    def _to_model(self, source: TiffWindows, window: Window, values: Values) -> ModelImage:
        """Scale a window for the network, and mirror the image into the part outside of it."""
        domain, _ = self._generator.domains
        with _blaming_input():
            ready = user_images.to_model(values, self._generator.config.data, domain, source.name)
        height, width = window.rows.stop - window.rows.start, window.columns.stop - window.columns.start
        missing = height - values.shape[0], width - values.shape[1]
        return dataclasses.replace(ready, pixels=any_size.extended(ready.pixels, missing))

    def _finished(self, source: TiffWindows, window: Window, ready: ModelImage, output: jax.Array) -> Values:
        """Return the part of a tile inside its margins, and inside the image, as values of the result."""
        rows, columns = window.inside
        rows = slice(rows.start, rows.stop - max(0, window.inner_rows.stop - source.height))
        columns = slice(columns.start, columns.stop - max(0, window.inner_columns.stop - source.width))
        inside = dataclasses.replace(ready, alpha=None if ready.alpha is None else ready.alpha[rows, columns])
        _, domain = self._generator.domains
        pixels = np.asarray(output)[0, rows, columns]
        return np.asarray(user_images.from_model(pixels, inside, self._generator.config.data, domain))


def _step(tile: int, margin: int, multiple: int) -> int:
    """Return the side of a tile inside its margins, rounded down to what TIFF and the network allow.

    Raises:
        UserError: nothing is inside.
    """
    unit = max(multiple, tiff_tiles.TILE_MULTIPLE)  # both are powers of two
    step = (tile - 2 * margin) // unit * unit
    if step < unit:
        raise UserError(
            f"tile is {tile}, but this generator sees {margin} pixels far: it must be at least {2 * margin + unit}"
        )
    return step


@contextlib.contextmanager
def _blaming_input() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise InputError(str(error)) from error
