"""Whole images, for testing and for picture grids."""

import dataclasses

import numpy as np
import pytest

from cyclegan_jax.data import images
from cyclegan_jax.data import test_images as whole_images
from cyclegan_jax.data.sources import Example, Sources
from cyclegan_jax.errors import UserError
from tests.data.examples import config, example, label_pictures, noisy, numbered, only_palette


def test_test_images_are_the_whole_images_in_order() -> None:
    source = noisy(3, seed=1)
    got = [whole_images.test_image(item, config().data, "A") for item in source]
    for item, image in zip(source, got, strict=True):
        decoded = images.decode(item.encoded, 3, "")
        np.testing.assert_array_equal(image, images.resize(decoded, 8, 8, nearest=False))
    gray = whole_images.test_image(source[0], config(channels_A=1).data, "A")
    assert gray.shape == (8, 8, 1)


def test_test_labels_are_snapped_to_the_palette() -> None:
    source = label_pictures("JPEG", quality=95, subsampling=0)
    data = config(labels="A", image_size=30).data
    truth = [whole_images.test_image(item, data, "A") for item in label_pictures()]
    for item, expected in zip(source, truth, strict=True):
        image = whole_images.test_image(item, data, "A")
        assert only_palette(image)
        assert np.mean(np.any(image != expected, axis=-1)) < 0.05
    assert not only_palette(whole_images.test_image(source[0], dataclasses.replace(data, labels="B"), "A"))
    shrunk = [whole_images.test_image(item, config(labels="A").data, "A") for item in label_pictures()]
    assert only_palette(np.stack(shrunk))


def test_black_labels_stay_black() -> None:
    black = example(np.zeros((8, 8, 3), np.uint8), "black.png")
    assert not whole_images.test_image(black, config(labels="A").data, "A").any()


def test_sample_images_come_from_all_over_the_test_split() -> None:
    found = whole_images.sample_images(Sources((), numbered(3), numbered(9), ()), config().data, 3)
    assert [int(i) for i in found["A"][:, 0, 0, 0]] == [0, 3, 6]
    assert [int(i) for i in found["B"][:, 0, 0, 0]] == [0, 1, 2]
    few = whole_images.sample_images(Sources((), (), numbered(9), numbered(2)), config().data, 4)
    assert few["A"].shape == few["B"].shape == (2, 8, 8, 3), "a grid has as many rows for both"


def test_sample_images_of_any_size_are_the_middles() -> None:
    wide, tall = np.zeros((40, 81, 3), np.uint8), np.zeros((50, 30, 3), np.uint8)
    wide[18:22, 38:42] = 255
    data = Sources((), (), (example(wide, "wide.png"),), (example(tall, "tall.png"),))
    found = whole_images.sample_images(data, config(image_size=16, preprocess="crop").data, 4)
    assert found["A"].shape == found["B"].shape == (1, 16, 16, 3)
    assert found["A"][0, 6:10, 6:10].mean() > 150
    whole = whole_images.sample_images(data, config(image_size=16, preprocess="none").data, 4)
    assert whole["A"].shape == whole["B"].shape == (1, 40, 32, 3)


def test_a_broken_sample_is_left_out_where_that_is_wanted() -> None:
    broken = Example(b"no image", "broken.png")
    data = Sources((), (), (broken, *numbered(2)), numbered(3))
    with pytest.raises(UserError, match=r"broken\.png cannot be read: it is not an image"):
        whole_images.sample_images(data, config().data, 3)
    assert len(whole_images.sample_images(data, config(on_error="skip").data, 3)["B"]) == 2
    with pytest.raises(UserError, match=r"broken\.png"):
        whole_images.sample_images(Sources((), (), (broken,), numbered(1)), config(on_error="skip").data, 3)
