"""Whole images, for testing and for picture grids."""

import dataclasses

import numpy as np
import pytest

from cyclegan_jax.data.dataset import EMPTY, Dataset, Example
from cyclegan_jax.data.decode import decode
from cyclegan_jax.data.eval_images import eval_image, sample_images
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from tests.helpers.examples import config, example, label_pictures, noisy, numbered, only_palette, split_of


def test_test_images_are_the_whole_images_in_order() -> None:
    examples = noisy(3, seed=1).examples
    got = [eval_image(item, config().data, "A") for item in examples]
    for item, image in zip(examples, got, strict=True):
        decoded = decode(item.encoded, 3, "")
        np.testing.assert_array_equal(image, resize(decoded, 8, 8, nearest=False))
    gray = eval_image(examples[0], config(channels_A=1).data, "A")
    assert gray.shape == (8, 8, 1)


def test_test_labels_are_snapped_to_the_palette() -> None:
    examples = label_pictures("JPEG", quality=95, subsampling=0).examples
    data = config(labels="A", image_size=30).data
    truth = [eval_image(item, data, "A") for item in label_pictures().examples]
    for item, expected in zip(examples, truth, strict=True):
        image = eval_image(item, data, "A")
        assert only_palette(image)
        assert np.mean(np.any(image != expected, axis=-1)) < 0.05
    assert not only_palette(eval_image(examples[0], dataclasses.replace(data, labels="B"), "A"))
    shrunk = [eval_image(item, config(labels="A").data, "A") for item in label_pictures().examples]
    assert only_palette(np.stack(shrunk))


def test_black_labels_stay_black() -> None:
    black = example(np.zeros((8, 8, 3), np.uint8), "black.png")
    assert not eval_image(black, config(labels="A").data, "A").any()


def test_sample_images_come_from_all_over_the_test_split() -> None:
    found = sample_images(Dataset(EMPTY, numbered(3), numbered(9)), config().data, 3)
    assert [int(i) for i in found["A"][:, 0, 0, 0]] == [0, 3, 6]
    assert [int(i) for i in found["B"][:, 0, 0, 0]] == [0, 1, 2]
    few = sample_images(Dataset(EMPTY, EMPTY, numbered(9), numbered(2)), config().data, 4)
    assert few["A"].shape == few["B"].shape == (2, 8, 8, 3), "a grid has the same number of rows for both"


def test_sample_images_of_any_size_are_the_middles() -> None:
    wide, tall = np.zeros((40, 81, 3), np.uint8), np.zeros((50, 30, 3), np.uint8)
    wide[18:22, 38:42] = 255
    data = Dataset(EMPTY, EMPTY, split_of(example(wide, "wide.png")), split_of(example(tall, "tall.png")))
    found = sample_images(data, config(image_size=16, preprocess="crop").data, 4)
    assert found["A"].shape == found["B"].shape == (1, 16, 16, 3)
    assert found["A"][0, 6:10, 6:10].mean() > 150
    whole = sample_images(data, config(image_size=16, preprocess="none").data, 4)
    assert whole["A"].shape == whole["B"].shape == (1, 40, 32, 3)


def test_a_broken_sample_is_skipped_if_on_error_is_skip() -> None:
    broken = Example(b"no image", "broken.png")
    data = Dataset(EMPTY, EMPTY, split_of(broken, *numbered(2).examples), numbered(3))
    with pytest.raises(UserError, match=r"broken\.png cannot be read: it is not an image"):
        sample_images(data, config().data, 3)
    assert len(sample_images(data, config(on_error="skip").data, 3)["B"]) == 2
    with pytest.raises(UserError, match=r"broken\.png"):
        sample_images(Dataset(EMPTY, EMPTY, split_of(broken), numbered(1)), config(on_error="skip").data, 3)
