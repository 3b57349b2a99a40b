"""Resizing, and the sizes of the preprocess modes in training and in testing."""

import io
from typing import Any

import numpy as np
import pytest

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.data import palette
from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.dataset import Dataset, Example
from cyclegan_jax.data.eval_images import eval_image
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.data.resize import eval_size, resize, train_size
from cyclegan_jax.data.train_images import train_sizes
from cyclegan_jax.errors import UserError
from cyclegan_jax.image_size import Size
from tests.helpers.examples import config, example, split_of


def noise(height: int, width: int, seed: int = 0, channels: int = 3) -> Uint8Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("nearest", [False, True])
def test_resize_gives_the_size_for_all_channels(channels: int, nearest: bool) -> None:
    resized = resize(noise(10, 14, channels=channels), 6, 21, nearest=nearest)
    assert resized.shape == (6, 21, channels)
    assert resized.dtype == np.uint8


def test_resize_to_its_own_size_changes_nothing() -> None:
    image = noise(10, 14)
    for nearest in (False, True):
        np.testing.assert_array_equal(resize(image, 10, 14, nearest=nearest), image)


def test_resize_averages_what_it_shrinks() -> None:
    """Antialiasing: fine black and white lines turn gray, where bicubic without it would keep some black or white."""
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[:, ::2] = 255
    assert np.ptp(resize(lines, 16, 16, nearest=False)[:, 2:-2]) < 10
    assert set(np.unique(resize(lines, 64, 24, nearest=True))) == {0, 255}


def test_resize_nearest_makes_no_new_colours_where_bicubic_does() -> None:
    labels = palette.color_array()[noise(40, 40, channels=1)[..., 0] % 19]
    known = {tuple(color) for color in palette.color_array().tolist()}

    def colors(image: Uint8Image) -> set[tuple[int, ...]]:
        return {tuple(color) for color in image.reshape(-1, 3).tolist()}

    assert colors(resize(labels, 27, 33, nearest=True)) <= known
    assert not colors(resize(labels, 27, 33, nearest=False)) <= known


def first(pixels: Uint8Image, experiment: TrainConfig) -> AnyImage:
    item = example(pixels, "photos/one.png")
    return next(train_iterator(Dataset(split_of(item), split_of(item)), experiment))["A"][0]


def is_crop(image: AnyImage, of: AnyImage) -> bool:
    height, width = image.shape[:2]
    places = [(y, x) for y in range(of.shape[0] - height + 1) for x in range(of.shape[1] - width + 1)]
    return any(np.array_equal(image, of[y : y + height, x : x + width]) for y, x in places)


@pytest.mark.parametrize(
    ("values", "resized"),
    [
        ({"preprocess": "resize_and_crop", "load_size": 20}, (20, 20)),
        ({"preprocess": "crop"}, (30, 50)),
        ({"preprocess": "scale_width_and_crop", "load_size": 40}, (24, 40)),
        ({"preprocess": "scale_shorter_and_crop", "load_size": 27}, (27, 45)),
        ({"preprocess": "resize_and_crop", "load_size": "18x40"}, (18, 40)),
    ],
)
def test_crops_are_taken_from_the_image_in_the_size_of_the_mode(
    values: dict[str, Any], resized: tuple[int, int]
) -> None:
    pixels = noise(30, 50)
    for image_size, shape in ((16, (16, 16, 3)), ("12x16", (12, 16, 3))):
        crop = first(pixels, config(image_size=image_size, flip=False, **values))
        assert crop.shape == shape
        assert is_crop(crop, resize(pixels, *resized, nearest=False))


@pytest.mark.parametrize(
    ("values", "resized"),
    [
        ({"preprocess": "none"}, (32, 52)),
        ({"preprocess": "none", "size": (30, 49)}, (32, 48)),  # Python rounds a half to the even number of steps
        ({"preprocess": "scale_width", "load_size": 24}, (16, 24)),
        ({"preprocess": "scale_shorter", "load_size": 40}, (40, 64)),  # 65.8 pixels wide, rounded to a multiple of 4
        ({"preprocess": "scale_width"}, (16, 16)),  # the height is at least that of the crop
    ],
)
def test_without_a_crop_the_whole_image_is_trained_on(values: dict[str, Any], resized: tuple[int, int]) -> None:
    height, width = values.pop("size", (31, 51))
    pixels = noise(height, width)
    experiment = config(image_size=16, flip=False, **values)
    np.testing.assert_array_equal(first(pixels, experiment), resize(pixels, *resized, nearest=False))


def test_sizes_are_multiples_of_the_size_multiple() -> None:
    from cyclegan_jax.recipes import pytorch_gan

    item = example(noise(31, 51), "one.png")
    data = DataConfig(preprocess="none")
    sizes = train_sizes(Dataset(split_of(item), split_of(item)), TrainConfig(data=data))
    assert sizes == {"A": (32, 52), "B": (32, 52)}
    experiment = TrainConfig(data=data, discriminator=pytorch_gan().discriminator)
    assert train_sizes(Dataset(split_of(item), split_of(item)), experiment)["A"] == (32, 48)


def test_only_images_of_different_domains_may_differ_in_size() -> None:
    wide, tall = example(noise(16, 32), "wide.png"), example(noise(32, 16), "tall.png")
    experiment = config(image_size=16, preprocess="none")
    batch = next(train_iterator(Dataset(split_of(wide), split_of(tall)), experiment))
    assert (batch["A"].shape, batch["B"].shape) == ((1, 16, 32, 3), (1, 32, 16, 3))
    mixed = train_iterator(Dataset(split_of(wide, tall), split_of(tall)), experiment)
    with pytest.raises(UserError, match=r"tall\.png is 16x32 .* but the first of domain A is 32x16: without a crop"):
        next(mixed), next(mixed)


def test_an_image_smaller_than_the_crop_is_an_error() -> None:
    with pytest.raises(
        UserError, match=r"photos/one\.png is \d+x\d+ pixels before the crop .* smaller than the crop of 32"
    ):
        first(noise(12, 24), config(image_size=32, preprocess="crop"))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("resize_and_crop", (64, 64)),
        ("crop", (100, 200)),
        ("none", (100, 200)),
        ("scale_width", (64, 64)),  # the height is at least image_size
        ("scale_width_and_crop", (64, 72)),
        ("scale_shorter", (64, 128)),
        ("scale_shorter_and_crop", (72, 144)),
    ],
)
def test_test_images_are_whole_and_keep_the_scale_of_training(mode: Any, expected: tuple[int, int]) -> None:
    assert eval_size((101, 202), DataConfig(image_size=64, preprocess=mode), 4) == expected


def test_a_rectangle_is_the_size_of_test_images_and_of_the_least_height() -> None:
    assert eval_size((101, 202), DataConfig(image_size="48x64"), 4) == (48, 64)
    assert train_size((20, 90), DataConfig(image_size="48x64", preprocess="scale_width_and_crop"), 4) == (48, 72)
    assert train_size((90, 20), DataConfig(image_size="48x64", preprocess="scale_shorter_and_crop"), 4) == (243, 54)
    with pytest.raises(UserError, match=r"one\.png is 40x13 pixels .* smaller than the crop of 16x32"):
        first(noise(13, 40), config(image_size="16x32", preprocess="crop"))


@pytest.mark.parametrize(
    ("stored", "load_size", "expected"),
    [
        ((427, 640), 256, (256, 256)),  # in proportion it would be 170 pixels high, less than the crop
        ((311, 257), 256, (309, 256)),  # 309.79 is cut off, not rounded
        ((300, 256), 256, (300, 256)),  # the width is right already
        ((200, 256), 256, (256, 256)),
        ((900, 600), 286, (429, 286)),
    ],
)
def test_scale_width_is_that_of_the_official_code(stored: Size, load_size: int, expected: Size) -> None:
    """The sizes follow from `__scale_width` in data/base_dataset.py of junyanz/pytorch-CycleGAN-and-pix2pix."""
    crop = DataConfig(preprocess="scale_width_and_crop", image_size=256, load_size=load_size)
    whole = DataConfig(preprocess="scale_width", image_size=256, load_size=load_size)
    assert train_size(stored, crop, 4) == expected
    # Without a crop, the networks need multiples, so that the size is rounded after scaling.
    assert train_size(stored, whole, 4) == (round(expected[0] / 4) * 4, round(expected[1] / 4) * 4)
    assert eval_size(stored, whole, 4) == train_size(stored, whole, 4)


def step_edges() -> np.ndarray:
    """A (40, 40) array of 0 and 4095: bicubic interpolation overshoots at each of its edges."""
    return np.kron(np.random.default_rng(0).integers(0, 2, (8, 8)) * 4095, np.ones((5, 5))).astype(np.uint16)


def test_resized_images_of_a_stated_range_stay_in_it() -> None:
    stream = io.BytesIO()
    np.save(stream, step_edges())
    item = Example(stream.getvalue(), "edges.npy")
    experiment = config(image_size=16, load_size=56, range_A=(0.0, 4095.0), range_B=(0.0, 4095.0))
    batch = next(train_iterator(Dataset(split_of(item), split_of(item)), experiment))
    for image in (batch["A"], batch["B"], eval_image(item, experiment.data, "A")):
        assert image.dtype == np.float32
        assert image.min() >= -1 and image.max() <= 1, (image.min(), image.max())
        assert image.std() > 0.4
