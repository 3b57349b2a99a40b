"""Flips, turns and colour changes of training images, alone and in batches."""

import colorsys
from typing import Any, cast

import numpy as np
import pytest

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.augment import Augmentation, change_colors, draw_augmentation
from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.data_config import AugmentConfig
from cyclegan_jax.errors import UserError
from tests.helpers.examples import config, label_pictures, noisy, only_palette

COLORS = AugmentConfig(brightness=0.3, contrast=0.3, saturation=0.5, hue=0.1)
ALL = AugmentConfig(True, True, 0.3, 0.3, 0.5, 0.1)


def noise(side: int, channels: int = 3) -> Uint8Image:
    return np.random.default_rng(0).integers(0, 256, (side, side, channels), dtype=np.uint8)


def applied(augmentation: Augmentation | None, image: AnyImage) -> AnyImage:
    assert augmentation is not None
    changed = image.copy()
    augmentation.apply(changed, has_alpha=image.shape[2] == 4)
    return changed


def test_nothing_is_drawn_where_it_is_off() -> None:
    rng = np.random.default_rng(0)
    assert draw_augmentation(AugmentConfig(), rng) is None
    assert rng.random() == np.random.default_rng(0).random()


def test_flips_and_turns_make_each_position_of_a_square() -> None:
    image, rng = noise(6), np.random.default_rng(0)
    turned = AugmentConfig(vertical_flip=True, quarter_turns=True)
    found = [applied(draw_augmentation(turned, rng), image).tobytes() for _ in range(200)]
    every = [np.rot90(flipped, turns).tobytes() for flipped in (image, image[::-1]) for turns in range(4)]
    assert set(found) == set(every)
    assert all(10 < found.count(each) < 45 for each in every)


def test_one_change_draws_the_same_with_or_without_the_others() -> None:
    for seed in range(5):
        drawn = [draw_augmentation(each, np.random.default_rng(seed)) for each in (ALL, COLORS, AugmentConfig(hue=0.1))]
        assert drawn[0] is not None and drawn[1] is not None and drawn[2] is not None
        assert drawn[0].colors == drawn[1].colors
        assert drawn[2].colors == tuple(change for change in drawn[0].colors if change[0] == "hue")


def test_strengths_bound_the_changes() -> None:
    rng = np.random.default_rng(0)
    drawn = [dict(augmentation.colors) for _ in range(200) if (augmentation := draw_augmentation(COLORS, rng))]
    for name, middle, strength in (
        ("brightness", 1, 0.3),
        ("contrast", 1, 0.3),
        ("saturation", 1, 0.5),
        ("hue", 0, 0.1),
    ):
        amounts = np.array([colors[name] for colors in drawn])
        assert np.abs(amounts - middle).max() <= strength
        assert amounts.min() < middle - 0.9 * strength and amounts.max() > middle + 0.9 * strength


def test_float_images_change_like_8_bit_ones() -> None:
    image = noise(9)
    for seed in range(5):
        augmentation = draw_augmentation(ALL, np.random.default_rng(seed))
        of_floats = applied(augmentation, (image / 127.5 - 1).astype(np.float32))
        assert of_floats.dtype == np.float32 and np.abs(of_floats).max() <= 1
        difference = (of_floats + 1) * 127.5 - applied(augmentation, image)
        assert np.abs(difference).max() < 0.501  # 8-bit images are rounded
        assert np.any(applied(augmentation, image) != image)


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_alpha(channels: int) -> None:
    image = noise(9, channels)
    brighter = applied(Augmentation(False, 0, (("brightness", 1.25),)), image)
    expected = np.rint(np.minimum(image * 1.25, 255))
    if channels == 4:
        expected[..., 3] = image[..., 3]
    np.testing.assert_allclose(brighter, expected, atol=1)
    flat = applied(Augmentation(False, 0, (("contrast", 0.0),)), image)
    assert all(np.ptp(flat[..., channel]) == 0 for channel in range(min(channels, 3)))


def test_augmented_batches_are_a_function_of_the_position() -> None:
    data = Dataset(noisy(5, 1), noisy(7, 2))
    values: dict[str, Any] = {"augment_A": ALL, "augment_B": AugmentConfig(vertical_flip=True)}
    plain, one = train_iterator(data, config(threads=1)), train_iterator(data, config(threads=1, **values))
    batches = [next(one) for _ in range(12)]
    assert any(np.any(batch["A"] != next(plain)["A"]) for batch in batches)
    resumed = train_iterator(data, config(threads=4, cache_gib=0.01, **values))
    resumed.set_state({"pairs": 3})
    for batch in batches[3:]:
        again = next(resumed)
        for domain in ("A", "B"):
            np.testing.assert_array_equal(again[domain], batch[domain])


def test_turned_label_maps_keep_their_colours() -> None:
    data = Dataset(label_pictures(), label_pictures())
    turned = AugmentConfig(vertical_flip=True, quarter_turns=True)
    assert only_palette(next(train_iterator(data, config(8, image_size=16, labels="A", augment_A=turned)))["A"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"augment_A": AugmentConfig(hue=0.1), "labels": "A"}, "data.augment_A.hue is 0.1, but data.labels is 'A'"),
        (
            {"augment_B": AugmentConfig(hue=0.1), "channels_B": 1},
            "data.augment_B.hue is 0.1, but data.channels_B is 1,",
        ),
        (
            {"augment_A": AugmentConfig(quarter_turns=True), "image_size": "16x32"},
            "data.augment_A.quarter_turns needs square crops, but data.image_size is 16x32: turn it off",
        ),
        (
            {"augment_A": AugmentConfig(quarter_turns=True), "preprocess": "none"},
            "data.augment_A.quarter_turns needs square crops, but data.preprocess is none: turn it off",
        ),
        ({"augment_A": AugmentConfig(contrast=1.5)}, "data.augment_A.contrast is 1.5, but it must be at most 1"),
        (
            {"augment_A": AugmentConfig(vertical_flip=cast(Any, 1))},
            "data.augment_A.vertical_flip is 1, but it must be True or",
        ),
        ({"augment_A": {"hue": 0.1}}, "data.augment_A is {'hue': 0.1}, but it must be a AugmentConfig"),
    ],
)
def test_changes_that_do_not_fit_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        DataConfig(**values)
    assert said in str(refused.value)


def reference(image: np.ndarray, name: str, amount: float) -> np.ndarray:
    """One change of colour by the formulas of torchvision's documentation, with hue and value from Python's library."""
    gray = 0.2989 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]
    if name == "hue":
        pixels = [colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(-1, 3)]
        return np.reshape([colorsys.hsv_to_rgb((h + amount) % 1, s, v) for h, s, v in pixels], image.shape)
    blended: Any = {"brightness": np.zeros_like(image), "contrast": np.mean(gray), "saturation": gray[..., None]}[name]
    return np.clip(amount * image + (1 - amount) * blended, 0, 1)


@pytest.mark.parametrize(
    "changes",
    [
        [("brightness", 1.3)],
        [("contrast", 0.6)],
        [("saturation", 1.7)],
        [("saturation", 0.0)],
        [("hue", 0.21)],
        [("hue", -0.5)],
        [("hue", -0.1), ("contrast", 1.4), ("brightness", 0.7), ("saturation", 0.5)],
    ],
)
def test_colours_change_as_in_an_independent_program(changes: list[tuple[str, float]]) -> None:
    image = np.random.default_rng(0).uniform(0, 1, (20, 30, 3))
    image[0] = image[0, :, :1]  # gray pixels have no hue
    image[1] = [0.2, 0.9, 0.9]  # two channels may be the brightest
    image[2] = 0.0
    expected = image
    for name, amount in changes:
        expected = reference(expected, name, amount)
    np.testing.assert_allclose(change_colors(image, tuple(changes)), expected, atol=1e-8)
