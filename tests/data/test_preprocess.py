"""The preprocess modes, through the training pipeline, and their sizes in testing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.data import images, pipeline, preprocess
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.data.sources import Example, Sources
from cyclegan_jax.data.train_images import train_sizes
from cyclegan_jax.errors import UserError
from tests.data.examples import config, example


def noise(height: int, width: int, seed: int = 0) -> Uint8Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def first(pixels: Uint8Image, experiment: TrainConfig) -> AnyImage:
    item = example(pixels, "photos/one.png")
    return next(pipeline.train_iterator(Sources((item,), (item,), (), ()), experiment))["A"][0]


def is_crop(image: AnyImage, of: AnyImage) -> bool:
    side = image.shape[0]
    places = [(y, x) for y in range(of.shape[0] - side + 1) for x in range(of.shape[1] - side + 1)]
    return any(np.array_equal(image, of[y : y + side, x : x + side]) for y, x in places)


@pytest.mark.parametrize(
    ("values", "resized"),
    [
        ({"preprocess": "resize_and_crop", "load_size": 20}, (20, 20)),
        ({"preprocess": "crop"}, (30, 50)),
        ({"preprocess": "scale_width_and_crop", "load_size": 40}, (24, 40)),
    ],
)
def test_crops_are_taken_from_the_image_in_the_size_of_the_mode(
    values: dict[str, Any], resized: tuple[int, int]
) -> None:
    pixels = noise(30, 50)
    experiment = config(image_size=16, flip=False, **values)
    crop = first(pixels, experiment)
    assert crop.shape == (16, 16, 3)
    assert is_crop(crop, images.resize(pixels, *resized, nearest=False))


@pytest.mark.parametrize(
    ("values", "resized"),
    [
        ({"preprocess": "none"}, (32, 52)),
        ({"preprocess": "none", "size": (30, 49)}, (32, 48)),  # Python rounds a half to the even number of steps
        ({"preprocess": "scale_width", "load_size": 24}, (16, 24)),
        ({"preprocess": "scale_width"}, (8, 16)),
    ],
)
def test_without_a_crop_the_whole_image_is_trained_on(values: dict[str, Any], resized: tuple[int, int]) -> None:
    height, width = values.pop("size", (31, 51))
    pixels = noise(height, width)
    experiment = config(image_size=16, flip=False, **values)
    np.testing.assert_array_equal(first(pixels, experiment), images.resize(pixels, *resized, nearest=False))


def test_sides_are_multiples_of_what_the_discriminators_take() -> None:
    from cyclegan_jax.recipes import pytorch_gan

    item = example(noise(31, 51), "one.png")
    data = DataConfig(preprocess="none")
    sizes = train_sizes(Sources((item,), (item,), (), ()), TrainConfig(data=data))
    assert sizes == {"A": (32, 52), "B": (32, 52)}
    experiment = TrainConfig(data=data, discriminator=pytorch_gan().discriminator)
    assert train_sizes(Sources((item,), (item,), (), ()), experiment)["A"] == (32, 48)


def test_the_domains_may_have_different_sizes_but_not_the_images_of_one() -> None:
    wide, tall = example(noise(16, 32), "wide.png"), example(noise(32, 16), "tall.png")
    experiment = config(image_size=16, preprocess="none")
    batch = next(pipeline.train_iterator(Sources((wide,), (tall,), (), ()), experiment))
    assert (batch["A"].shape, batch["B"].shape) == ((1, 16, 32, 3), (1, 32, 16, 3))
    mixed = pipeline.train_iterator(Sources((wide, tall), (tall,), (), ()), experiment)
    with pytest.raises(UserError, match=r"tall\.png is 16x32 .* but the first of domain A is 32x16: without a crop"):
        next(mixed), next(mixed)


@pytest.mark.parametrize("values", [{"preprocess": "crop"}, {"preprocess": "scale_width_and_crop", "load_size": 40}])
def test_an_image_smaller_than_the_crop_is_named(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"photos/one\.png is \d+x\d+ pixels .* smaller than the crop of 32"):
        first(noise(12, 24), config(image_size=32, **values))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("resize_and_crop", (64, 64)),
        ("crop", (100, 200)),
        ("none", (100, 200)),
        ("scale_width", (32, 64)),
        ("scale_width_and_crop", (36, 72)),
    ],
)
def test_test_images_are_whole_and_keep_the_scale_of_training(mode: Any, expected: tuple[int, int]) -> None:
    assert preprocess.test_size((101, 202), DataConfig(image_size=64, preprocess=mode), 4) == expected


@pytest.fixture
def broken() -> Callable[[int], Example]:
    return lambda number: Example(b"no image at all", f"broken{number}.png")


def good(number: int) -> tuple[Example, ...]:
    return tuple(example(np.full((10, 10, 3), i, np.uint8), f"{i}.png") for i in range(number))


def test_a_broken_image_is_skipped_and_counted(broken: Callable[[int], Example], log_lines: list[str]) -> None:
    items = (*good(6), broken(0), broken(1))
    experiment = config(batch_size=4, on_error="skip", threads=3)
    iterator = pipeline.train_iterator(Sources(items, good(4), (), ()), experiment)
    seen = np.concatenate([next(iterator)["A"][:, 0, 0, 0] for _ in range(8)])
    assert set(seen.tolist()) == set(range(6))
    assert len(iterator.skipped) == 2
    assert sorted(log_lines) == sorted(f"skipped: {message}" for message in iterator.skipped)
    assert any("broken0.png" in line for line in log_lines)

    again = pipeline.train_iterator(Sources(items, good(4), (), ()), config(on_error="skip"))
    alone = np.concatenate([next(again)["A"][:, 0, 0, 0] for _ in range(32)])
    np.testing.assert_array_equal(alone, seen, "the order does not depend on threads, nor on what was found before")


def test_many_skipped_images_are_told_in_short(broken: Callable[[int], Example], log_lines: list[str]) -> None:
    items = (*good(2), *(broken(i) for i in range(20)))
    iterator = pipeline.train_iterator(Sources(items, good(1), (), ()), config(on_error="skip"))
    for _ in range(22):
        next(iterator)
    assert len(iterator.skipped) == 20
    assert len(log_lines) == 6
    assert "their number is told at the end" in log_lines[-1]


def test_nothing_but_broken_images_is_an_error(broken: Callable[[int], Example]) -> None:
    data = Sources((broken(0), broken(1)), good(1), (), ())
    with pytest.raises(
        UserError, match="none of the 2 training images of domain A can be used; of the first, the image"
    ):
        next(pipeline.train_iterator(data, config(on_error="skip")))


def test_the_cache_gives_the_same_images_and_reads_each_once(log_lines: list[str]) -> None:
    class Counting:
        def __init__(self, items: tuple[Example, ...]):
            self.items, self.reads = items, 0

        def __len__(self) -> int:
            return len(self.items)

        def __getitem__(self, index: int, /) -> Example:
            self.reads += 1
            return self.items[index]

    items = tuple(example(noise(12, 15, seed), f"{seed}.png") for seed in range(5))
    plain = pipeline.train_iterator(Sources(items, items, (), ()), config())
    source = Counting(items)
    cached = pipeline.train_iterator(Sources(source, items, (), ()), config(cache_gib=0.01, threads=1))
    for _ in range(20):
        np.testing.assert_array_equal(next(cached)["A"], next(plain)["A"])
    assert source.reads == 5
    assert not log_lines


def test_a_full_cache_says_so_once_and_goes_on(log_lines: list[str]) -> None:
    items = tuple(example(noise(12, 15, seed), f"{seed}.png") for seed in range(8))
    # Of each domain three images of 9x9 fit.
    experiment = config(cache_gib=2 * 3.5 * 9 * 9 * 3 / 2**30)
    plain = pipeline.train_iterator(Sources(items, items, (), ()), config())
    cached = pipeline.train_iterator(Sources(items, items, (), ()), experiment)
    for _ in range(20):
        np.testing.assert_array_equal(next(cached)["A"], next(plain)["A"])
    assert len(log_lines) == 2, "one for each domain"
    assert "is full with 3 images" in log_lines[0]


def test_half_of_the_images_are_mirrored_left_to_right() -> None:
    pixels = noise(5, 7)
    found = []
    for seed in range(40):
        out = np.empty_like(pixels)
        cut = preprocess.draw_cut((5, 7), DataConfig(preprocess="none"), np.random.default_rng(seed))
        cut.write(pixels, out)
        np.testing.assert_array_equal(out, pixels[:, ::-1] if cut.mirror else pixels)
        found.append(cut.mirror)
    assert 10 < sum(found) < 30


@pytest.mark.parametrize("mirror", [True, False])
def test_a_cut_of_the_mirror_image_has_the_same_pixels(mirror: bool) -> None:
    pixels = noise(9, 12)
    cut = preprocess.Cut(1, 2, (4, 6), mirror)
    one, other = np.empty((2, 4, 6, 3), np.uint8)
    cut.write(pixels, one)
    cut.of_mirrored(12).write(pixels[:, ::-1], other)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, pixels[1:5, 2:8][:, :: -1 if mirror else 1])
