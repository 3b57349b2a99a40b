"""From sources to arrays: unpaired training batches, made ahead by Grain's threads."""

import sys
from typing import Any, Final, Self

import numpy as np

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.images import AnyImage
from cyclegan_jax.data.sources import Sources
from cyclegan_jax.data.train_images import TrainImages
from cyclegan_jax.errors import UserError

Batch = dict[str, AnyImage]

_AHEAD: Final = 8
"""Batches that are ready, or being made, before they are asked for."""


class TrainIterator:
    """An endless iterator of training batches that can tell and take its position."""

    def __init__(
        self, domains: list[TrainImages], batch_size: int, process_index: int, process_count: int, threads: int
    ):
        """Over pairs of the domains' images, from the first; see `train_iterator`."""
        self._domains = domains
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
        """The position as JSON values: how many pairs all processes have taken together, of how many images.

        It fits an iterator with any number of threads or processes and any batch size.
        """
        return {"pairs": self._position, **self._images()}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on from a position that `get_state` gave.

        Raises:
            UserError: it is a position among another number of images.
        """
        for name, number in self._images().items():
            before = state.get(name, number)
            if before != number:
                raise UserError(
                    f"the run was trained on {before:,} images of {name[-1]}, but the data now holds {number:,}: name "
                    "the run's own data by --data.dir, or start a new run by another --workdir, from the weights of "
                    "this one by --init_from"
                )
        self.close()
        self._position = state["pairs"]

    def _images(self) -> dict[str, int]:
        return {f"images_{name}": len(domain) for name, domain in zip("AB", self._domains, strict=True)}

    @property
    def skipped(self) -> list[str]:
        """Of each image that could not be read so far and was left out, what was wrong with it."""
        return [message for domain in self._domains for message in domain.unreadable.values()]

    def close(self) -> None:
        """Stop the threads; the next batch starts new ones."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def _batches_from(self, position: int) -> Any:
        import grain  # takes over half a second

        size = self._batch_size // self._process_count
        batches = _Batches(self._domains, position + self._process_index * size, size, self._batch_size)
        options = grain.ReadOptions(num_threads=self._threads, prefetch_buffer_size=max(_AHEAD, 2 * self._threads))
        return iter(grain.MapDataset.source(batches).to_iter_dataset(options))


class _Batches:
    """The endless sequence of batches from a position on, as a random-access source for Grain."""

    def __init__(self, domains: list[TrainImages], start: int, size: int, stride: int):
        """Batches of `size` pairs that begin at `start`, `start + stride` and so on."""
        self._domains = domains
        self._start = start
        self._size = size
        self._stride = stride

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> Batch:
        first = self._start + index * self._stride
        batch = {}
        for name, domain in zip(("A", "B"), self._domains, strict=True):
            # Written in place: for decoded images in memory, another copy is most of the time.
            batch[name] = np.empty((self._size, *domain.shape), domain.dtype)
            for row in range(self._size):
                domain.write(first + row, batch[name][row])
        return batch


def train_iterator(
    sources: Sources,
    config: TrainConfig,
    *,
    process_index: int = 0,
    process_count: int = 1,
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
        An iterator of {"A": images, "B": images}, each (batch_size / process_count, H, W, channels) uint8, or float32
        in [-1, 1] where the domain's value range is stated; H and W are `image_size`, or `train_sizes` of the data.
        `next` raises a `UserError` that names the file where an image cannot be read, unless it is to be skipped.

    Raises:
        UserError: the processes cannot share the batch evenly, or the first image cannot be read.
    """
    if config.batch_size % process_count:
        raise UserError(
            f"batch_size is {config.batch_size}, but it is shared by {process_count} processes: take a multiple of "
            f"{process_count}"
        )
    domains = [
        TrainImages(sources.train_A, config, "A"),
        TrainImages(sources.train_B, config, "B"),
    ]
    return TrainIterator(domains, config.batch_size, process_index, process_count, config.data.threads)
