"""Features for FID and KID by a user's own function, and the checks of what it returns."""

import numpy as np
import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.features import load_features


def mean_colours(images):
    return images.mean(axis=(1, 2))


def one_number(images):
    return images.mean()


def words(images):
    return np.array([["a"]] * len(images))


def pixels(images):
    return images.reshape(len(images), -1)


def test_a_function_receives_images_of_any_size_in_order():
    rng = np.random.default_rng(0)
    shapes = [(8, 8, 3), (8, 8, 1), (8, 8, 4), *[(9, 7, 3)] * 20, (8, 8, 3)]
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    images[2][..., 3] = 0  # all transparent: white
    found = load_features(f"{__name__}:mean_colours")(images)
    assert found.shape == (24, 3)
    for i in (0, 3, 22, 23):
        np.testing.assert_allclose(found[i], images[i].mean(axis=(0, 1)))
    np.testing.assert_allclose(found[1], [images[1].mean()] * 3)
    np.testing.assert_allclose(found[2], [255] * 3)


@pytest.mark.parametrize("name", ["one_number", "words"])
def test_other_forms_of_features_are_refused(name):
    with pytest.raises(UserError, match=rf"{name} returned .* for 2 images, .* must be numbers \[N, D\]"):
        load_features(f"{__name__}:{name}")([np.zeros((4, 4, 3), np.uint8)] * 2)


def test_as_many_features_for_images_of_every_size():
    images = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]
    with pytest.raises(UserError, match=r"pixels returned uint8 of shape \(1, 60\) for 1 images.* with one D"):
        load_features(f"{__name__}:pixels")(images)
