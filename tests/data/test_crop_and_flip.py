"""Crops and flips alone; `test_batches.py` looks at them in whole batches."""

import numpy as np
import pytest

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.crop_and_flip import Crop, draw_crop
from cyclegan_jax.data.images import Uint8Image


def noise(height: int, width: int, seed: int = 0) -> Uint8Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_half_of_the_images_are_mirrored_left_to_right() -> None:
    pixels = noise(5, 7)
    found = []
    for seed in range(40):
        out = np.empty_like(pixels)
        crop = draw_crop((5, 7), DataConfig(preprocess="none"), np.random.default_rng(seed))
        crop.write(pixels, out)
        np.testing.assert_array_equal(out, pixels[:, ::-1] if crop.mirror else pixels)
        found.append(crop.mirror)
    assert 10 < sum(found) < 30


@pytest.mark.parametrize("mirror", [True, False])
def test_a_cut_of_the_mirror_image_has_the_same_pixels(mirror: bool) -> None:
    pixels = noise(9, 12)
    crop = Crop(1, 2, (4, 6), mirror)
    one, other = np.empty((2, 4, 6, 3), np.uint8)
    crop.write(pixels, one)
    crop.of_mirrored(12).write(pixels[:, ::-1], other)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, pixels[1:5, 2:8][:, :: -1 if mirror else 1])
