"""From sources to uint8 arrays: training batches that Grain shuffles and augments, and test images as they are."""

import functools
import sys
from collections.abc import Iterator
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from cyclegan_jax.config import DataConfig, Domain, TrainConfig
from cyclegan_jax.data import images, palette
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.data.sources import Example, Source, Sources
from cyclegan_jax.errors import UserError

Batch = dict[str, npt.NDArray[np.uint8]]

_AHEAD: Final = 8
"""Batches that are ready, or being made, before they are asked for."""


class TrainIterator:
    """An endless iterator of training batches that can tell and take its position."""

    def __init__(self, pairs: Any, batch_size: int, process_index: int, process_count: int, threads: int):
        """Over a `grain.MapDataset` of pairs, from its first; see `train_iterator`."""
        self._pairs = pairs
        self._batch_size = batch_size
        self._process_index = process_index
        self._process_count = process_count
        self._threads = threads
        self._position = 0
        self._batches: Any = None

    def __iter__(self) -> Self:
        """The iterator itself."""
        return self

    def __next__(self) -> Batch:
        """The next batch."""
        if self._batches is None:
            self._batches = self._batches_from(self._position)
        batch: Batch = next(self._batches)
        self._position += self._batch_size
        return batch

    def get_state(self) -> dict[str, int]:
        """The position as a JSON value: how many pairs all processes have taken together.

        It fits an iterator with any number of threads or processes and any batch size.
        """
        return {"pairs": self._position}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on from a position that `get_state` gave."""
        self.close()
        self._position = state["pairs"]

    def close(self) -> None:
        """Stop the threads; the next batch starts new ones."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def _batches_from(self, position: int) -> Any:
        import grain

        # Small batches in a row: every process_count-th of them, from this process's, is its part of the global batch.
        parts = self._pairs[position:].batch(self._batch_size // self._process_count, drop_remainder=True)
        mine = parts[self._process_index :: self._process_count]
        options = grain.ReadOptions(num_threads=self._threads, prefetch_buffer_size=max(_AHEAD, 2 * self._threads))
        return iter(mine.to_iter_dataset(options))


def train_iterator(
    sources: Sources, config: TrainConfig, *, process_index: int = 0, process_count: int = 1
) -> TrainIterator:
    """Unpaired training batches, as in the official code: resize, random crop, random flip.

    Each domain is shuffled by itself, anew in every epoch, in which each of its images comes once. The pair at a given
    position depends on nothing but the seed, the position and the data config: not on threads, processes or batch size.

    Args:
        sources: the data set.
        config: the experiment.
        process_index: this process, from 0.
        process_count: processes that share each global batch of `config.batch_size` pairs: each gets the rows at its
            index, so that the parts in a row are the batch of a single process.

    Returns:
        An iterator of {"A": images, "B": images}, each (batch_size / process_count, image_size, image_size, channels)
        uint8. `next` raises a `UserError` that names the file where an image cannot be read.

    Raises:
        UserError: the processes cannot share the batch evenly.
    """
    import grain  # takes over half a second

    if config.batch_size % process_count:
        raise UserError(
            f"batch_size is {config.batch_size}, but it is shared by {process_count} processes: take a multiple of "
            f"{process_count}"
        )
    domains = [
        _train_images(sources.train_A, config.data, "A", config.seed),
        _train_images(sources.train_B, config.data, "B", config.seed),
    ]
    pairs = grain.experimental.ZipMapDataset(domains).map(lambda pair: {"A": pair[0], "B": pair[1]})
    return TrainIterator(pairs, config.batch_size, process_index, process_count, config.data.threads)


def _train_images(source: Source, config: DataConfig, domain: Domain, seed: int) -> Any:
    """The endless `grain.MapDataset` of one domain's augmented images."""
    import grain

    order, augmentation = np.random.SeedSequence([seed, "AB".index(domain)]).generate_state(2)
    size, load_size = config.image_size, config.resolved_load_size
    channels, nearest = config.channels(domain), config.labels == domain

    def augment(example: Example, rng: np.random.Generator) -> Uint8Image:
        image = images.decode(example.encoded, channels, example.name)
        image = images.resize(image, load_size, load_size, nearest=nearest)
        top, left = rng.integers(0, load_size - size, size=2, endpoint=True)
        image = image[top : top + size, left : left + size]
        return image[:, ::-1] if config.flip and rng.random() < 0.5 else image

    # Grain draws what is random from the seed and the position alone.
    return grain.MapDataset.source(_Shuffled(source, int(order))).random_map(augment, seed=int(augmentation))


class _Shuffled:
    """A source without end: all images in a random order, then all in another.

    Grain's own shuffle costs milliseconds an image where there are only tens of images.
    """

    def __init__(self, source: Source, seed: int):
        self._source = source
        # Positions near the end of an epoch are read by several threads at once, so that two epochs are in use.
        self._order = functools.lru_cache(maxsize=4)(
            lambda epoch: np.random.default_rng([seed, epoch]).permutation(len(source))
        )

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, position: int) -> Example:
        epoch, place = divmod(position, len(self._source))
        return self._source[int(self._order(epoch)[place])]


def test_image(example: Example, config: DataConfig, domain: Domain) -> Uint8Image:
    """An image for testing: resized straight to `config.image_size`, without crop or flip.

    A label map is resized by nearest neighbour, and its pixels are moved to the nearest colours of the Cityscapes
    palette (black included), as its file may be a JPEG.

    Returns:
        (image_size, image_size, channels) uint8.

    Raises:
        UserError: the image cannot be read.
    """
    is_labels = config.labels == domain
    image = images.decode(example.encoded, config.channels(domain), example.name)
    image = images.resize(image, config.image_size, config.image_size, nearest=is_labels)
    if is_labels and image.shape[2] == 3:
        return images.snap_to_palette(image, palette.color_array(unlabelled=True))
    return image


def test_images(source: Source, config: DataConfig, domain: Domain) -> Iterator[tuple[str, Uint8Image]]:
    """The name and the `test_image` of each image of a source, in its order."""
    for index in range(len(source)):
        example = source[index]
        yield example.name, test_image(example, config, domain)


def spread_images(source: Source, config: DataConfig, domain: Domain, number: int) -> Uint8Image:
    """At most `number` test images from all over a source: (N, image_size, image_size, channels) uint8.

    The first ones in a row would often be frames of one film.
    """
    number = min(number, len(source))
    return np.stack([test_image(source[index * len(source) // number], config, domain) for index in range(number)])
