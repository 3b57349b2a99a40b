"""Images of any size through a generator: few compilations, and tiles for images that memory does not hold whole.

XLA compiles a program for one shape. Images are therefore put into the corners of arrays of a few sizes (`bucket`), and
the network treats each as if it were alone (`networks.frame`): the result is that of the image by itself, up to
rounding.

Tiles overlap by the network's receptive field, so inside its margin a tile is equal to that part of the whole image,
and nothing needs to be blended. Only the instance norms see farther: their statistics come from one pass over the whole
image, scaled to at most `OVERVIEW` pixels. They can also be given, as those of a clip are (`clip_statistics.py`).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int32

from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import apply, windows
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.frame import WHOLE_ARRAY, Corner, GivenStatistics, RecordingStatistics
from cyclegan_jax.networks.generator import GeneratorNetwork
from cyclegan_jax.networks.layers import accepted_side

FloatImage = Float[np.ndarray, "_ _ _"]
"""(H, W, C) in [-1, 1]; every image may have another size."""

LayerStatistics = list[tuple[Float[Array, "1 1 1 _"], Float[Array, "1 1 1 _"]]]
"""Mean and variance of each channel, for each instance norm of a generator in the order of the layers."""

OVERVIEW: Final = 2048
"""Images with a longer side are translated in tiles; their statistics come from a pass at this size."""
TILE: Final = 1024
"""Side of a tile with its margins, pixels."""
_PIXELS_AT_ONCE: Final = 2**21
"""The most pixels in a batch of several images: eight of 512x512, for example. A larger image is a batch of its own."""
_CPU_PIXELS_AT_ONCE: Final = 2**15
"""The same on CPU by default: 64x64 is faster in batches of eight (1.4x), 128x128 image by image (1.25x)."""
DEFAULT_BATCH: Final = 8
"""The most images at once where the caller sets no number."""
_FINE_SIZES: Final = 16
"""After this many sizes of arrays, new ones come from the coarse grid: many cost more in compilation than in area."""
_PROGRAMS: Final = 64
"""The most compiled programs in memory; beyond it all are dropped, and what is used again comes from the disk cache."""


def bucket(side: int, *, coarse: bool = False, multiple: int = 1) -> int:
    """The side of the array for an image of this side, on the fine or the coarse grid.

    Fine: at most an eighth larger above 256, multiples of 32 below. Coarse: at most a half larger above 128, multiples
    of 64 below. All are multiples of `multiple`, a power of two.
    """
    smallest, per_octave = (64, 2) if coarse else (32, 8)
    step = max(multiple, smallest, 2 ** math.floor(math.log2(max(side - 1, 1))) // per_octave)
    return math.ceil(side / step) * step


def images_at_once(size: tuple[int, int], batch_size: int | None) -> int:
    """How many arrays of this height and width are translated at once.

    Args:
        size: height and width.
        batch_size: the most; None chooses the faster number: eight on accelerators, and on CPU eight of 64x64 pixels
            and fewer of larger ones.
    """
    cpu = batch_size is None and jax.default_backend() == "cpu"
    most = _CPU_PIXELS_AT_ONCE if cpu else _PIXELS_AT_ONCE
    return max(1, min(batch_size or DEFAULT_BATCH, most // math.prod(size)))


def margin(config: GeneratorConfig) -> int:
    """The distance in pixels at which an input pixel can still change an output pixel, other than through the norms.

    It is rounded up to a multiple of `GeneratorConfig.size_multiple`: tiles must begin at a multiple of the network's
    stride.
    """
    if config.kind == "unet":
        # A pixel may see 3 (2^depth - 1) pixels far, but not in every direction. Tiles begin and end at multiples of
        # 2^depth, and from there the network sees 2^(depth + 1) - 1 pixels outwards.
        return 2 * config.size_multiple
    # The stem and the head reach 3 pixels; the convolutions on the way down 1 and 2, and a blur after each as far
    # again; the two at a quarter of the size in each block 8; those on the way up 4 and 2. A bilinear upsampling
    # reaches 4 and 2, and the convolutions after it 2 and 1.
    down = 2 * (1 + 2) if config.antialias else 1 + 2
    up = 4 + 2 + 2 + 1 if config.upsample == "antialiased" else 4 + 2
    reach = 3 + down + 8 * config.blocks + up + 3
    return math.ceil(reach / config.size_multiple) * config.size_multiple


Translate = Callable[..., Float[Array, "N H W D"]]
"""`apply.translate` of one generator at one precision: called with parameters, images and `frame=`."""


class AnySize:
    """A generator for images of any size."""

    def __init__(
        self, definition: nnx.GraphDef[GeneratorNetwork], params: Params, config: GeneratorConfig, precision: str
    ):
        """Compile nothing yet; programs are compiled when a shape first occurs.

        Args:
            definition: the generator without weights, `Networks.generators[direction]`.
            params: its parameters.
            config: its config.
            precision: that of matrix products, `TrainConfig.precision`.
        """
        self._params = params
        network = nnx.merge(definition, params)
        self._multiple, self._least = network.size_multiple, network.min_size
        self._margin = margin(config)
        translate = partial(apply.translate, definition, precision=precision)
        self._whole = jax.jit(translate)
        self._whole_given = jax.jit(partial(_translate_whole_with_statistics, translate))
        self._parts = jax.jit(partial(_translate_parts, translate))
        self._record = jax.jit(partial(record_statistics, translate))
        self._tile = jax.jit(partial(translate_with_statistics, translate))
        self._sizes: set[tuple[int, int]] = set()
        self._programs: set[tuple[str, tuple[int, ...]]] = set()

    def __call__(
        self,
        images: Sequence[FloatImage],
        *,
        batch_size: int | None = None,
        tile: int | None = None,
        statistics: LayerStatistics | None = None,
    ) -> list[FloatImage]:
        """Translate images, in their order.

        Args:
            images: (H, W, C) floats in [-1, 1], of any sizes.
            batch_size: the most images at once; large images are translated in smaller batches to save memory. None
                chooses the faster number, see `images_at_once`.
            tile: the side of the tiles for images with a side above `OVERVIEW`. None chooses `TILE`, or more where a
                generator sees so far that most of such a tile were margin.
            statistics: what the instance norms normalise all images by; None means each image by its own.

        Returns:
            Floats in [-1, 1], each of the height and width of its input.

        Raises:
            UserError: the tile is too small for its margins, or not a multiple of the network's stride.
        """
        if tile is None:
            # Four margins leave a quarter of the pixels of a tile inside.
            tile = max(TILE, 4 * self._margin)
        if tile < 2 * self._margin + self._least or tile % self._multiple:
            raise UserError(
                f"tile is {tile}, but this generator sees {self._margin} pixels far: it must be a multiple of "
                f"{self._multiple}, and at least {2 * self._margin + self._least}"
            )
        padded = [self._to_multiple(image) for image in images]
        results: dict[int, FloatImage] = {}
        groups = defaultdict(list)
        for index, image in enumerate(padded):
            if max(image.shape[:2]) > OVERVIEW:
                results[index] = self._in_tiles(image, tile, statistics)
            else:
                groups[self._size(image)].append(index)
        for size, indices in groups.items():
            most = images_at_once(size, batch_size)
            for start in range(0, len(indices), most):
                batch = indices[start : start + most]
                outputs = self._batch([padded[index] for index in batch], size, most, statistics)
                results.update(zip(batch, outputs, strict=True))
        return [results[index][: image.shape[0], : image.shape[1]] for index, image in enumerate(images)]

    def _to_multiple(self, image: FloatImage) -> FloatImage:
        """Pad at the bottom and the right to a size that the network takes, by mirroring."""
        height, width = (accepted_side(side, multiple=self._multiple, minimum=self._least) for side in image.shape[:2])
        return extended(image, (height - image.shape[0], width - image.shape[1]))

    def _size(self, image: FloatImage) -> tuple[int, int]:
        """The height and width of the array for an image."""
        height, width = image.shape[:2]
        size = bucket(height, multiple=self._multiple), bucket(width, multiple=self._multiple)
        if size not in self._sizes and len(self._sizes) >= _FINE_SIZES:
            coarse = partial(bucket, coarse=True, multiple=self._multiple)
            return coarse(height), coarse(width)
        self._sizes.add(size)
        return size

    def _make_room(self, name: str, shape: tuple[int, ...]) -> None:
        """Drop all compiled programs if the one with this name, for images of this shape, would be one too many."""
        program = (name, shape)
        if program not in self._programs and len(self._programs) == _PROGRAMS:
            functions: tuple[Any, ...] = (self._whole, self._whole_given, self._parts, self._record, self._tile)
            for function in functions:
                function.clear_cache()
            self._programs.clear()
        self._programs.add(program)

    def _batch(
        self, images: list[FloatImage], size: tuple[int, int], batch_size: int, statistics: LayerStatistics | None
    ) -> list[FloatImage]:
        # Batches are filled up to a power of two. Otherwise the last batch of a folder, which can have any number of
        # images, would need a program of its own for each number.
        number = min(batch_size, 2 ** math.ceil(math.log2(len(images))))
        arrays, heights, widths = in_corners(images, size, number)
        is_whole = all(image.shape[:2] == size for image in images)
        self._make_room(f"whole {statistics is None}" if is_whole else f"parts {statistics is None}", arrays.shape)
        # Without masks and gathers in the usual case of a folder of images of one size.
        place = () if is_whole else (heights, widths)
        if statistics is None:
            outputs = (self._whole if is_whole else self._parts)(self._params, arrays, *place)
        else:
            outputs = (self._whole_given if is_whole else self._tile)(self._params, arrays, *place, statistics)
        host = np.asarray(outputs)
        return [output[: image.shape[0], : image.shape[1]] for image, output in zip(images, host, strict=False)]

    def _in_tiles(self, image: FloatImage, tile: int, statistics: LayerStatistics | None = None) -> FloatImage:
        height, width = image.shape[:2]
        statistics = statistics or self.statistics([image])
        result: FloatImage | None = None
        for window in windows.tiles(height, width, tile, self._margin):
            part = image[window.rows, window.columns]
            output = self._tile(self._params, *in_corners([part], (tile, tile), 1), statistics)
            if result is None:
                result = np.empty((height, width, output.shape[-1]), output.dtype)
            inside = np.asarray(output[0, : part.shape[0], : part.shape[1]])
            result[window.inner_rows, window.inner_columns] = inside[window.inside]
        assert result is not None
        return result

    def statistics(self, images: Sequence[FloatImage]) -> LayerStatistics:
        """The instance norms' means and variances over all pixels of some images, as if they were one image.

        Args:
            images: (H, W, C) floats in [-1, 1], all of one size; they are scaled down to `OVERVIEW`, and translated in
                one batch.
        """
        overviews = [self._overview(image) for image in images]
        size = self._size(overviews[0])
        arrays = in_corners(overviews, size, len(overviews))
        self._make_room("record", arrays[0].shape)
        return self._record(self._params, *arrays)

    def _overview(self, image: FloatImage) -> FloatImage:
        """An image of a size that the network takes, with no side above `OVERVIEW`."""
        height, width = image.shape[:2]
        if max(height, width) <= OVERVIEW:
            return self._to_multiple(image)
        scaled = (max(1, round(side * OVERVIEW / max(height, width))) for side in (height, width))
        small = resize(image.astype(np.float32), *scaled, nearest=False)
        return self._to_multiple(small.astype(image.dtype))


def _translate_parts(
    translate: Translate,
    params: Params,
    images: Float[Array, "N H W C"],
    heights: Int32[Array, " N"],
    widths: Int32[Array, " N"],
) -> Float[Array, "N H W D"]:
    return translate(params, images, frame=Corner(images.shape[1], heights, widths))


def record_statistics(
    translate: Translate,
    params: Params,
    images: Float[Array, "N H W C"],
    heights: Int32[Array, " N"],
    widths: Int32[Array, " N"],
) -> LayerStatistics:
    """Return the statistics of each norm over all images together."""
    frame = RecordingStatistics(Corner(images.shape[1], heights, widths))
    translate(params, images, frame=frame)
    return frame.recorded


def _translate_whole_with_statistics(
    translate: Translate, params: Params, images: Float[Array, "N H W C"], statistics: LayerStatistics
) -> Float[Array, "N H W D"]:
    return translate(params, images, frame=GivenStatistics(WHOLE_ARRAY, iter(statistics)))


def translate_with_statistics(
    translate: Translate,
    params: Params,
    images: Float[Array, "N H W C"],
    heights: Int32[Array, " N"],
    widths: Int32[Array, " N"],
    statistics: LayerStatistics,
) -> Float[Array, "N H W D"]:
    """`apply.translate` of images in the corners of arrays, with statistics of the norms that are not their own."""
    return translate(params, images, frame=GivenStatistics(Corner(images.shape[1], heights, widths), iter(statistics)))


def extended(image: FloatImage, missing: tuple[int, int]) -> FloatImage:
    """Add so many rows at the bottom and columns at the right, by mirroring."""
    for axis, number in enumerate(missing):
        if number:
            pads = [(0, number if axis == other else 0) for other in range(3)]
            # An image smaller than its padding has too few pixels to mirror; its edge is repeated.
            image = np.pad(image, pads, mode="reflect" if number < image.shape[axis] else "edge")
    return image


def in_corners(
    images: Sequence[FloatImage], size: tuple[int, int], number: int
) -> tuple[Float[np.ndarray, "N H W C"], Int32[np.ndarray, " N"], Int32[np.ndarray, " N"]]:
    """Put images into the upper left corners of `number` arrays of one size, the last image into the spare ones.

    Returns:
        The arrays, and the heights and widths of the images in them.
    """
    chosen = [images[min(index, len(images) - 1)] for index in range(number)]
    arrays = np.zeros((number, *size, chosen[0].shape[2]), chosen[0].dtype)
    for array, image in zip(arrays, chosen, strict=True):
        array[: image.shape[0], : image.shape[1]] = image
    heights, widths = np.array([image.shape[:2] for image in chosen], np.int32).T
    return arrays, heights, widths
