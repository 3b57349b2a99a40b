"""Unreadable training images, and the cache of decoded ones."""

from collections.abc import Callable

import numpy as np
import pytest

from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.dataset import Dataset, Example, MemorySplit
from cyclegan_jax.errors import UserError
from tests.helpers.examples import config, example, numbered, split_of


class Counting:
    """A split that counts how often it is read."""

    def __init__(self, split: MemorySplit):
        self.split, self.reads = split, 0

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int, /) -> Example:
        self.reads += 1
        return self.split[index]

    def names(self) -> list[str]:
        return self.split.names()


def noise_split(number: int) -> MemorySplit:
    rngs = [np.random.default_rng(seed) for seed in range(number)]
    pixels = [rng.integers(0, 256, (12, 15, 3), dtype=np.uint8) for rng in rngs]
    return split_of(*(example(image, f"{index}.png") for index, image in enumerate(pixels)))


@pytest.fixture
def broken() -> Callable[[int], Example]:
    return lambda number: Example(b"no image at all", f"broken{number}.png")


def test_a_broken_image_is_skipped_and_counted(broken: Callable[[int], Example], log_lines: list[str]) -> None:
    items = split_of(*numbered(6).examples, broken(0), broken(1))
    experiment = config(batch_size=4, on_error="skip", threads=3)
    iterator = train_iterator(Dataset(items, numbered(4)), experiment)
    seen = np.concatenate([next(iterator)["A"][:, 0, 0, 0] for _ in range(8)])
    assert set(seen.tolist()) == set(range(6))
    assert len(iterator.skipped) == 2
    assert sorted(log_lines) == sorted(f"skipped: {message}" for message in iterator.skipped)
    assert any("broken0.png" in line for line in log_lines)

    again = train_iterator(Dataset(items, numbered(4)), config(on_error="skip"))
    alone = np.concatenate([next(again)["A"][:, 0, 0, 0] for _ in range(32)])
    np.testing.assert_array_equal(alone, seen, "the order does not depend on threads, nor on what was found before")


def test_many_skipped_images_are_summed_up(broken: Callable[[int], Example], log_lines: list[str]) -> None:
    items = split_of(*numbered(2).examples, *(broken(i) for i in range(20)))
    iterator = train_iterator(Dataset(items, numbered(1)), config(on_error="skip"))
    for _ in range(22):
        next(iterator)
    assert len(iterator.skipped) == 20
    assert len(log_lines) == 6
    assert "the end of the training logs their number" in log_lines[-1]


def test_nothing_but_broken_images_is_an_error(broken: Callable[[int], Example]) -> None:
    data = Dataset(split_of(broken(0), broken(1)), numbered(1))
    with pytest.raises(
        UserError, match="none of the 2 training images of domain A can be used; the first error: the image"
    ):
        next(train_iterator(data, config(on_error="skip")))


def test_the_cache_gives_the_same_images_and_reads_each_once(log_lines: list[str]) -> None:
    items = noise_split(5)
    plain = train_iterator(Dataset(items, items), config())
    counting = Counting(items)
    cached = train_iterator(Dataset(counting, items), config(cache_gib=0.01, threads=1))
    for _ in range(20):
        np.testing.assert_array_equal(next(cached)["A"], next(plain)["A"])
    assert counting.reads == 5
    assert not log_lines


def test_a_full_cache_warns_once_and_still_works(log_lines: list[str]) -> None:
    items = noise_split(8)
    # Of each domain three images of 9x9 fit.
    experiment = config(cache_gib=2 * 3.5 * 9 * 9 * 3 / 2**30)
    plain = train_iterator(Dataset(items, items), config())
    cached = train_iterator(Dataset(items, items), experiment)
    for _ in range(20):
        np.testing.assert_array_equal(next(cached)["A"], next(plain)["A"])
    assert len(log_lines) == 2, "one for each domain"
    assert "is full with 3 images" in log_lines[0]
