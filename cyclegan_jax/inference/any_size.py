"""Images of any size through a generator: few compilations, and tiles for those that memory does not hold whole.

A program is compiled for one shape. Images are therefore laid into arrays of a few sizes, `bucket`, in which the
network treats each as if it were alone (`networks/frame.py`): the result is that of the image by itself, to rounding.

Tiles overlap by the network's receptive field, so that inside of its margin a tile is what the whole image would give:
there is nothing to blend. Only the instance norms look farther than that. Their statistics are those of one pass over
the whole image, scaled to at most `OVERVIEW` pixels.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from cyclegan_jax.kernels.instance_norm import Statistics
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.frame import Corner, GivenStatistics, RecordingStatistics
from cyclegan_jax.networks.generator import ResNetGenerator

FloatImage = npt.NDArray[np.floating[Any]]

OVERVIEW: Final = 2048
"""Images with a longer side are translated in tiles; statistics come from a pass at this size."""
TILE: Final = 1024
"""Side of a tile with its margins, pixels."""
_PIXELS_AT_ONCE: Final = 2**21
"""Images of a batch have at most so many pixels together, or are alone: eight of 512x512, one of 2048x2048."""
_SMALLEST_BUCKET: Final = 32
_BUCKETS_AN_OCTAVE: Final = 8


def bucket(side: int) -> int:
    """The side of the array for an image with this one: at most an eighth larger above 256, multiples of 32 below."""
    step = max(_SMALLEST_BUCKET, 2 ** math.floor(math.log2(max(side - 1, 1))) // _BUCKETS_AN_OCTAVE)
    return math.ceil(side / step) * step


def margin(config: GeneratorConfig) -> int:
    """How many pixels away an input pixel can still change an output pixel, other than through the norms.

    From the stem, 3; the convolutions on the way down, 1 and 2; two at a quarter of the size in each block, 8; those on
    the way up, 4 and 2; the head, 3. Rounded up to the multiple that tiles begin at.
    """
    reach = 3 + 1 + 2 + 8 * config.blocks + 4 + 2 + 3
    return math.ceil(reach / ResNetGenerator.size_multiple) * ResNetGenerator.size_multiple


class AnySize:
    """A generator for images of any size."""

    def __init__(
        self, graphdef: nnx.GraphDef[ResNetGenerator], params: Params, config: GeneratorConfig, precision: str
    ):
        """Of a definition and its parameters; `precision` is that of matrix products."""
        self._params = params
        self._margin = margin(config)
        self._precision = precision
        self._whole = jax.jit(partial(self._run, graphdef))
        self._parts = jax.jit(partial(self._run_parts, graphdef))
        self._record = jax.jit(partial(self._run_recorded, graphdef))
        self._tile = jax.jit(partial(self._run_given, graphdef))

    def __call__(self, images: Sequence[FloatImage], *, batch_size: int = 8, tile: int = TILE) -> list[FloatImage]:
        """Translate images, in their order.

        Args:
            images: (H, W, C) floats in [-1, 1], of any sizes.
            batch_size: at most so many at once; of large images fewer, for memory's sake.
            tile: the side of the tiles of those with a side above `OVERVIEW`.

        Returns:
            Floats in [-1, 1], each of the height and width that it came with.

        Raises:
            UserError: a tile is all margin.
        """
        if tile < 2 * self._margin + ResNetGenerator.min_size or tile % ResNetGenerator.size_multiple:
            raise UserError(
                f"tile is {tile}, but this generator sees {self._margin} pixels far: it must be a multiple of "
                f"{ResNetGenerator.size_multiple}, and at least {2 * self._margin + ResNetGenerator.min_size}"
            )
        padded = [_to_multiple(image) for image in images]
        results: list[FloatImage | None] = [None] * len(padded)
        groups = defaultdict(list)
        for index, image in enumerate(padded):
            if max(image.shape[:2]) > OVERVIEW:
                results[index] = self._in_tiles(image, tile)
            else:
                groups[bucket(image.shape[0]), bucket(image.shape[1])].append(index)
        for size, indices in groups.items():
            most = max(1, min(batch_size, _PIXELS_AT_ONCE // math.prod(size)))
            for start in range(0, len(indices), most):
                batch = indices[start : start + most]
                outputs = self._batch([padded[index] for index in batch], size, most)
                for index, output in zip(batch, outputs, strict=True):
                    results[index] = output
        return [
            result[: image.shape[0], : image.shape[1]]
            for result, image in zip(results, images, strict=True)
            if result is not None
        ]

    def _batch(self, images: list[FloatImage], size: tuple[int, int], batch_size: int) -> list[FloatImage]:
        # Compiled for powers of two, so that a folder's last batch is not another program for each number left over.
        number = min(batch_size, 2 ** math.ceil(math.log2(len(images))))
        arrays, heights, widths = _laid_out(images, size, number)
        if all(image.shape[:2] == size for image in images):
            outputs = self._whole(self._params, arrays)
        else:
            outputs = self._parts(self._params, arrays, heights, widths)
        host = np.asarray(outputs)
        return [output[: image.shape[0], : image.shape[1]] for image, output in zip(images, host, strict=False)]

    def _in_tiles(self, image: FloatImage, tile: int) -> FloatImage:
        height, width = image.shape[:2]
        overview = image
        if max(height, width) > OVERVIEW:
            scaled = (max(1, round(side * OVERVIEW / max(height, width))) for side in (height, width))
            small = resize(image.astype(np.float32), *scaled, nearest=False)
            overview = _to_multiple(small.astype(image.dtype))
        size = (bucket(overview.shape[0]), bucket(overview.shape[1]))
        statistics = self._record(self._params, *_laid_out([overview], size, 1))

        result: FloatImage | None = None
        for rows, inner_rows in _tiles(height, tile, self._margin):
            for columns, inner_columns in _tiles(width, tile, self._margin):
                part = image[rows, columns]
                output = self._tile(self._params, *_laid_out([part], (tile, tile), 1), statistics)
                if result is None:
                    result = np.empty((height, width, output.shape[-1]), output.dtype)
                inside = np.asarray(output[0, : part.shape[0], : part.shape[1]])
                place = _moved(inner_rows, rows.start), _moved(inner_columns, columns.start)
                result[inner_rows, inner_columns] = inside[place]
        assert result is not None
        return result

    def _run(self, graphdef: nnx.GraphDef[ResNetGenerator], params: Params, images: jax.Array) -> jax.Array:
        with jax.default_matmul_precision(self._precision):
            return _wide(nnx.merge(graphdef, params)(images))

    def _run_parts(
        self,
        graphdef: nnx.GraphDef[ResNetGenerator],
        params: Params,
        images: jax.Array,
        heights: jax.Array,
        widths: jax.Array,
    ) -> jax.Array:
        with jax.default_matmul_precision(self._precision):
            frame = Corner(images.shape[1], heights, widths)
            return _wide(nnx.merge(graphdef, params)(images, frame=frame))

    def _run_recorded(
        self,
        graphdef: nnx.GraphDef[ResNetGenerator],
        params: Params,
        images: jax.Array,
        heights: jax.Array,
        widths: jax.Array,
    ) -> list[Statistics]:
        with jax.default_matmul_precision(self._precision):
            frame = RecordingStatistics(Corner(images.shape[1], heights, widths))
            nnx.merge(graphdef, params)(images, frame=frame)
            return frame.recorded

    def _run_given(
        self,
        graphdef: nnx.GraphDef[ResNetGenerator],
        params: Params,
        images: jax.Array,
        heights: jax.Array,
        widths: jax.Array,
        statistics: list[Statistics],
    ) -> jax.Array:
        with jax.default_matmul_precision(self._precision):
            frame = GivenStatistics(Corner(images.shape[1], heights, widths), iter(statistics))
            return _wide(nnx.merge(graphdef, params)(images, frame=frame))


def _wide(output: jax.Array) -> jax.Array:
    return output.astype(jnp.promote_types(output.dtype, jnp.float32))


def _to_multiple(image: FloatImage) -> FloatImage:
    """Pad below and to the right to what the network takes: mirrored, or too small for that, the edge repeated."""
    multiple, least = ResNetGenerator.size_multiple, ResNetGenerator.min_size
    for axis in (0, 1):
        side = image.shape[axis]
        missing = max(least, math.ceil(side / multiple) * multiple) - side
        if missing:
            pads = [(0, missing if axis == other else 0) for other in range(3)]
            image = np.pad(image, pads, mode="reflect" if missing < side else "edge")
    return image


def _laid_out(
    images: list[FloatImage], size: tuple[int, int], number: int
) -> tuple[FloatImage, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """`number` arrays of one size with an image in the corner of each, and the images' sizes; the last ones repeat."""
    chosen = [images[min(index, len(images) - 1)] for index in range(number)]
    arrays = np.zeros((number, *size, chosen[0].shape[2]), chosen[0].dtype)
    for array, image in zip(arrays, chosen, strict=True):
        array[: image.shape[0], : image.shape[1]] = image
    heights, widths = np.array([image.shape[:2] for image in chosen], np.int32).T
    return arrays, heights, widths


def _tiles(side: int, tile: int, margin: int) -> Iterator[tuple[slice, slice]]:
    """Of each tile along a side, what it reads and what of that it answers for."""
    step = tile - 2 * margin
    for start in range(0, side, step):
        stop = min(start + step, side)
        yield slice(max(0, start - margin), min(side, stop + margin)), slice(start, stop)


def _moved(place: slice, by: int) -> slice:
    return slice(place.start - by, place.stop - by)
