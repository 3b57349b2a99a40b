"""Class ids from the colours of pictures, and the palettes that are refused."""

import re

import numpy as np
import pytest

from cyclegan_jax.data import palette as cityscapes
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import nearest_class as module
from cyclegan_jax.evaluation.nearest_class import IGNORE, nearest_class, truth_classes
from tests.helpers.class_ids import BLACK, COLORS, paint, random_ids


def test_nearest_class_equals_a_brute_force_search():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)

    def distance(pixel: np.ndarray, k: int) -> int:
        return sum((int(a) - b) ** 2 for a, b in zip(pixel, cityscapes.COLORS[k], strict=True))

    expected = [min(range(19), key=lambda k: distance(pixel, k)) for pixel in images.reshape(-1, 3)]
    ids = nearest_class(images, cityscapes.color_array())
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids.ravel(), expected)


def test_nearest_class_reads_through_noise():
    ids = random_ids(1, (3, 16, 16), len(COLORS))
    noise = np.random.default_rng(2).integers(-20, 21, (*ids.shape, 3))
    noisy = np.clip(paint(ids).astype(int) + noise, 0, 255).astype(np.uint8)
    assert (noisy != paint(ids)).any()
    np.testing.assert_array_equal(nearest_class(noisy, COLORS), ids)


@pytest.mark.parametrize("colors", [[(10, 0, 0), (20, 0, 0)], [(20, 0, 0), (10, 0, 0)]])
def test_a_tie_goes_to_the_lowest_id(colors):
    assert nearest_class(np.array([15, 0, 0], np.uint8), np.array(colors, np.uint8)) == 0


def test_distances_do_not_wrap_around_in_uint8():
    # In uint8 arithmetic 0 - 255 is 1, and white would be next to black.
    white, colors = np.full(3, 255, np.uint8), np.array([(1, 1, 1), (150, 150, 150)], np.uint8)
    assert nearest_class(white, colors) == 1


def test_chunks_of_pixels_join_without_a_seam(monkeypatch):
    images = np.random.default_rng(3).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    whole = nearest_class(images, COLORS)
    monkeypatch.setattr(module, "_CHUNK", 7)
    np.testing.assert_array_equal(nearest_class(images, COLORS), whole)


def test_black_is_unlabelled_in_the_ground_truth_only():
    image = np.array([BLACK, (6, 4, 9), COLORS[2]], np.uint8)
    np.testing.assert_array_equal(truth_classes(image, COLORS), [IGNORE, IGNORE, 2])
    np.testing.assert_array_equal(nearest_class(image, COLORS), [2, 2, 2])


def test_ground_truth_survives_lossy_storage():
    ids = random_ids(4, (2, 8, 8), len(COLORS), unlabelled=0.2)
    noise = np.random.default_rng(5).integers(-15, 16, (*ids.shape, 3))
    stored = np.clip(paint(ids).astype(int) + noise, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(truth_classes(stored, COLORS), ids)


def test_the_cityscapes_palette_survives_a_round_trip():
    np.testing.assert_array_equal(
        truth_classes(cityscapes.color_array(unlabelled=True), cityscapes.color_array()), [*range(19), IGNORE]
    )


@pytest.mark.parametrize(
    ("colors", "message"),
    [
        (np.zeros((0, 3), np.uint8), "1 to 254 colours, but it has 0"),
        (np.zeros((255, 3), np.uint8), "1 to 254 colours, but it has 255"),
        (np.array([[1, 2, 3], [4, 5, 6], [1, 2, 3]], np.uint8), "class 2 of the palette repeats the colour [1, 2, 3]"),
    ],
)
def test_invalid_palettes_are_refused(colors, message):
    for read in (nearest_class, truth_classes):
        with pytest.raises(UserError, match=re.escape(message)):
            read(np.zeros((4, 4, 3), np.uint8), colors)


def test_no_class_may_be_black():
    with pytest.raises(UserError, match="class 1 of the palette is black"):
        truth_classes(np.zeros((4, 4, 3), np.uint8), np.array([(1, 2, 3), BLACK], np.uint8))
