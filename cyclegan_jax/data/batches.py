"""Unpaired training batches, made ahead of time by Grain's threads."""

import logging
import sys
from typing import Any, Final, Self

import numpy as np
from jaxtyping import Num

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.train_images import TrainImages
from cyclegan_jax.errors import UserError

Batch = dict[str, Num[np.ndarray, "N H W C"]]
"""Images of A and of B, which may differ in H, W, C and dtype."""

_LOG = logging.getLogger(__name__)

_AHEAD: Final = 8
"""Least number of batches that are ready, or being made, before they are asked for."""


def batches_ahead(threads: int) -> int:
    """The number of batches that are kept ready in memory with so many threads."""
    return max(_AHEAD, 2 * threads)


class TrainIterator:
    """An endless iterator of training batches whose position can be saved and restored."""

    def __init__(
        self, domains: list[TrainImages], batch_size: int, process_index: int, process_count: int, threads: int
    ):
        """Start at the first pair; `train_iterator` explains the arguments."""
        self._domains = domains
        self._batch_size = batch_size
        self._process_index = process_index
        self._process_count = process_count
        self._threads = threads
        self._images = _images(domains)
        self._position = 0
        self._batches: Any = None

    def __iter__(self) -> Self:
        """Return self, as iterators do."""
        return self

    def __next__(self) -> Batch:
        """Return the next batch; starts the threads if they are not running.

        Raises:
            UserError: an image cannot be read and `data.on_error` is "stop".
        """
        if self._batches is None:
            self._batches = self._batches_from(self._position)
        batch: Batch = next(self._batches)
        self._position += self._batch_size
        return batch

    def get_state(self) -> dict[str, int]:
        """Return the position as JSON values: the pairs that all processes together have taken, and what the data was.

        That is the number of images of each domain, and hashes of their names and sizes in bytes where the data is
        files. An iterator with any other number of threads or processes and any other batch size can resume from it.
        """
        return {"pairs": self._position, **self._images}

    def set_state(self, state: dict[str, int], *, allow_changes: bool = False) -> None:
        """Resume from a position that `get_state` returned.

        Args:
            state: the position.
            allow_changes: resume with other images of the same number, too.

        Raises:
            UserError: the number of images has changed, so that the position stands for other images; or, without
                `allow_changes`, they are others.
        """
        number, others = self.changed_number(state), self.changed_images(state)
        if number or (others and not allow_changes):
            allow = "" if number else "add --allow_changes to continue with these, "
            raise UserError(
                f"{number or others}: give the run's own data as --data.dir, {allow}or start a new run in another "
                "--workdir, from the weights of this one with --init_from"
            )
        if others:
            _LOG.warning(f"{others}: continuing with these")
        self.close()
        self._position = state["pairs"]

    def changed_number(self, state: dict[str, int]) -> str | None:
        """Say that a position belongs to another number of images, if it does."""
        for domain in "AB":
            number = self._images[f"images_{domain}"]
            # States of early versions hold no image counts: there is nothing to compare with.
            before = state.get(f"images_{domain}", number)
            if before != number:
                return f"the run was trained on {before:,} images of {domain}, but the data now holds {number:,}"
        return None

    def changed_images(self, state: dict[str, int]) -> str | None:
        """Say that a position belongs to other images of the same number, if it does, and what differs."""
        for domain in "AB":
            for kind, what in (("names", "their names differ"), ("files", "the size of a file differs")):
                name = f"{kind}_{domain}"
                # Early versions did not save it, and a prepared data set has none.
                if name in state and name in self._images and state[name] != self._images[name]:
                    return f"the data holds as many images of {domain} as the run was trained on, but others: {what}"
        return None

    @property
    def skipped(self) -> list[str]:
        """The error messages of all images that were skipped so far."""
        return [message for domain in self._domains for message in domain.unreadable.values()]

    def close(self) -> None:
        """Stop the threads; the next batch starts new ones."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def _batches_from(self, position: int) -> Any:
        import grain  # importing it takes over half a second

        # Batch i of all processes is the pairs from i * batch_size on; each process makes `size` rows of it.
        size = self._batch_size // self._process_count
        batches = _Batches(self._domains, position + self._process_index * size, size, self._batch_size)
        options = grain.ReadOptions(num_threads=self._threads, prefetch_buffer_size=batches_ahead(self._threads))
        return iter(grain.MapDataset.source(batches).to_iter_dataset(options))


def _images(domains: list[TrainImages]) -> dict[str, int]:
    """What tells one data set from another, by names such as `images_A`, the number of images."""
    found: dict[str, int] = {}
    for name, domain in zip("AB", domains, strict=True):
        found |= {f"{key}_{name}": value for key, value in {"images": len(domain), **domain.fingerprint()}.items()}
    return found


class _Batches:
    """The endless sequence of batches from a position on, as a random-access data source for Grain."""

    def __init__(self, domains: list[TrainImages], start: int, size: int, stride: int):
        """Let batch i hold `size` pairs from the position `start + i * stride` on."""
        self._domains = domains
        self._start = start
        self._size = size
        self._stride = stride

    def __len__(self) -> int:
        return sys.maxsize  # Grain needs a length

    def __getitem__(self, index: int) -> Batch:
        first = self._start + index * self._stride
        batch = {}
        for name, domain in zip(("A", "B"), self._domains, strict=True):
            # Each image is written into its row: with cached images, stacking rows would take most of the time.
            batch[name] = np.empty((self._size, *domain.shape), domain.dtype)
            for row in range(self._size):
                domain.write(first + row, batch[name][row])
        return batch


def train_iterator(
    dataset: Dataset,
    config: TrainConfig,
    *,
    process_index: int = 0,
    process_count: int = 1,
) -> TrainIterator:
    """Make unpaired training batches as the official code does: resize, random crop, random flip.

    Each domain is shuffled separately, with a new order in every epoch; an epoch of a domain contains each of its
    images once. The pair at a position depends only on the seed, the position and the data config, not on the number of
    threads or processes or the batch size.

    Args:
        dataset: its training splits are read.
        config: the seed, the batch size and the data config.
        process_index: this process, from 0.
        process_count: the number of processes that share each global batch of `config.batch_size` pairs. Concatenated
            in the order of their index, their parts are the batch of a single process.

    Returns:
        An iterator of {"A": images, "B": images}, each (batch_size / process_count, H, W, channels) uint8, or float32
        in [-1, 1] where the domain's value range is given. H and W are `image_size`, or without a crop `train_sizes`.

    Raises:
        UserError: the processes cannot share the batch evenly.
    """
    if config.batch_size % process_count:
        raise UserError(
            f"batch_size is {config.batch_size}, but {process_count} processes share it: set it to a multiple of "
            f"{process_count}"
        )
    domains = [
        TrainImages(dataset.train_A, config, "A"),
        TrainImages(dataset.train_B, config, "B"),
    ]
    return TrainIterator(domains, config.batch_size, process_index, process_count, config.data.threads)
