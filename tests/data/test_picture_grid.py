"""Grids of images: each pixel of each image is where it belongs, and each column has its heading."""

import numpy as np
import pytest

from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.data.picture_grid import picture_grid
from cyclegan_jax.errors import UserError

TITLE = 24


def noise(height: int, width: int, channels: int, seed: int = 0) -> Uint8Image:
    return np.random.default_rng(seed).integers(0, 255, (height, width, channels), dtype=np.uint8)


def test_the_images_are_whole_with_white_between_and_headings_above() -> None:
    rows = [[noise(130, 140, 3, seed=10 * i + j) for j in range(3)] for i in range(2)]
    picture = picture_grid(("A", "B", "C"), rows)
    assert picture.shape == (TITLE + 2 * 130 + 4, 3 * 140 + 2 * 4, 3)
    seen = np.zeros(picture.shape[:2], bool)
    seen[:TITLE] = True
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            place = np.s_[TITLE + i * 134 : TITLE + i * 134 + 130, j * 144 : j * 144 + 140]
            np.testing.assert_array_equal(picture[place], image)
            seen[place] = True
    assert np.all(picture[~seen] == 255)
    # Dark pixels of each letter, in the middle of its column.
    for j in range(3):
        dark = np.nonzero(picture[:TITLE, j * 144 : j * 144 + 140].min(axis=(0, 2)) < 100)[0]
        assert abs(dark.mean() - 70) < 4


def test_small_images_are_enlarged_and_smaller_ones_padded() -> None:
    large, small = noise(60, 50, 3), noise(50, 50, 3)
    picture = picture_grid(("a heading too long for it", "B"), [[large, small]])
    assert picture.shape == (TITLE + 180, 2 * 150 + 4, 3)
    np.testing.assert_array_equal(picture[TITLE::3, :150:3], large)
    np.testing.assert_array_equal(picture[TITLE : TITLE + 150 : 3, 154::3], small)
    assert np.all(picture[TITLE + 150 :, 154:] == 255)
    assert np.all(picture[:TITLE, [0, 149, 150, 153]] == 255), "no heading runs into the next"


def test_gray_and_transparent_images() -> None:
    gray = noise(128, 128, 1)
    color = np.array([10, 20, 30], np.uint8)
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[..., :3] = color
    rgba[0, :, 3], rgba[1, :, 3] = 255, 51
    picture = picture_grid(("gray", "RGBA"), [[gray, rgba]])[TITLE:]
    np.testing.assert_array_equal(picture[:, :128], np.repeat(gray, 3, axis=2))
    np.testing.assert_array_equal(picture[0, 132], color)
    np.testing.assert_array_equal(picture[1, 132], np.rint(0.2 * color + 0.8 * 255))
    np.testing.assert_array_equal(picture[2, 132], [255, 255, 255])


@pytest.mark.parametrize("rows", [[], [[]], [[noise(4, 4, 3)], [noise(4, 4, 3)] * 2]])
def test_rows_of_another_length_are_refused(rows: list[list[Uint8Image]]) -> None:
    with pytest.raises(UserError, match="a grid needs 1 images in each row, one for each heading"):
        picture_grid(("A",), rows)
