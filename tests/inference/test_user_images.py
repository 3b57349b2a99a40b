"""Users' images are converted for the networks, and results to the kind of their input."""

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference.user_images import UserImage, each, from_model, to_model

RGB = DataConfig()
rng = np.random.default_rng(0)


def noise(*shape: int, dtype: str = "uint8", high: int = 256) -> np.ndarray:
    return rng.integers(0, high, shape).astype(dtype)


def there_and_back(image, config=RGB):
    """Convert an image to the networks' range and back, as for a generator that changes nothing."""
    ready = to_model(image, config, "A")
    return from_model(ready.pixels, ready, config, "B")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pictures_are_unchanged(mode):
    picture = Image.fromarray(noise(5, 7, len(mode)), mode)
    back = there_and_back(picture)
    assert (back.mode, back.size) == (picture.mode, picture.size)
    np.testing.assert_array_equal(np.asarray(back), np.asarray(picture))


@pytest.mark.parametrize(
    ("shape", "channels"), [((5, 7, 3), 3), ((5, 7, 4), 3), ((5, 7, 1), 1), ((5, 7), 1), ((5, 7, 2), 1)]
)
def test_arrays_are_unchanged(shape, channels):
    config = DataConfig(channels_A=channels, channels_B=channels)
    array = noise(*shape)
    np.testing.assert_array_equal(there_and_back(array, config), array)


def test_gray_is_converted_to_colour_and_back():
    gray = noise(4, 4, 1)
    assert (there_and_back(gray) == gray).all()
    assert there_and_back(gray).shape == (4, 4, 3)
    config = DataConfig(channels_A=1, channels_B=1)
    colour = noise(4, 4, 3)
    expected = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(there_and_back(colour, config)[..., 0], expected, atol=0.51)


def test_palette_bilevel_rotated_and_gray_alpha_pictures():
    palette = Image.fromarray(noise(4, 4, 3)).quantize(4)
    np.testing.assert_array_equal(np.asarray(there_and_back(palette)), np.asarray(palette.convert("RGB")))
    bilevel = Image.fromarray(noise(4, 4, high=2) * 255).convert("1")
    assert set(np.unique(np.asarray(there_and_back(bilevel)))) <= {0, 255}
    turned = Image.fromarray(noise(4, 6, 3))
    turned.getexif()[274] = 6
    assert there_and_back(turned).size == (4, 6)
    assert there_and_back(Image.fromarray(noise(4, 4, 4)).convert("LA")).mode == "RGBA"


def test_values_of_a_stated_range_keep_all_bits():
    config = DataConfig(channels_A=1, channels_B=1, range_A=(0, 65535), range_B=(0, 65535))
    deep = noise(5, 7, dtype="uint16", high=65536)
    back = there_and_back(deep, config)
    assert back.dtype == np.uint16
    # float32 in [-1, 1] represents all 16-bit values.
    np.testing.assert_array_equal(back, deep)
    picture = there_and_back(Image.fromarray(deep), config)
    assert picture.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(picture), deep)
    heights = DataConfig(channels_A=1, channels_B=1, range_A=(-20.5, 300), range_B=(-20.5, 300))
    floats = rng.uniform(-20.5, 300, (4, 4)).astype(np.float32)
    assert there_and_back(floats, heights).dtype == np.float32
    np.testing.assert_allclose(there_and_back(floats, heights), floats, atol=1e-3)


def test_transparency_is_scaled_to_a_stated_range():
    config = DataConfig(channels_B=1, range_B=(0, 1000))
    image = noise(4, 4, 4)
    ready = to_model(image, config, "A")
    made = np.asarray(from_model(ready.pixels[..., :1], ready, config, "B"))
    assert made.shape == (4, 4, 2)
    # Alpha has the full range of the result's dtype, uint16.
    np.testing.assert_array_equal(made[..., 1], image[..., 3] * np.uint16(257))


@pytest.mark.parametrize(
    ("channels", "limits", "full"), [(3, (0, 4095), 65535), (4, (0, 4095), 65535), (3, (0, 100), 255), (3, (-5, 5), 1)]
)
def test_opaque_images_stay_opaque(channels, limits, full):
    eight = noise(4, 4, 4)
    eight[..., 3] = 255
    config = DataConfig(channels_A=channels, channels_B=channels, range_B=limits)
    made = there_and_back(eight, config)
    assert (made[..., 3] == full).all()
    back = DataConfig(channels_A=channels, channels_B=channels, range_A=limits)
    np.testing.assert_allclose(there_and_back(made, back), eight, atol=2)


def test_an_8_bit_image_does_not_fit_a_wider_range():
    with pytest.raises(UserError, match=r"^the image is uint8, .* but data.range_A is 0 to 4095: convert"):
        to_model(noise(4, 4, 3), DataConfig(range_A=(0, 4095)), "A")


def test_messages_name_the_image_once():
    scan = np.full((4, 4), 5000, np.uint16)
    for name in ("the image", "the image scan.png"):
        with pytest.raises(UserError, match=f"^{name} holds values from 5000 to 5000"):
            to_model(scan, DataConfig(range_A=(0, 4095)), "A", name)


@pytest.mark.parametrize(
    ("image", "config", "sentence"),
    [
        (np.zeros((4, 4, 3), np.float32), RGB, r"x holds float32 values, but .* 8-bit .* floats in \[-1, 1\] go to"),
        (np.zeros((4, 4, 5), np.uint8), RGB, r"x has the shape \(4, 4, 5\), but an image is"),
        (np.zeros((0, 4, 3), np.uint8), RGB, r"x has the shape \(0, 4, 3\)"),
        (
            np.full((4, 4), 9.0),
            DataConfig(range_A=(0, 1)),
            r"x holds values from 9 to 9, but data.range_A is 0 to 1",
        ),
    ],
)
def test_other_arrays_are_errors(image, config, sentence):
    with pytest.raises(UserError, match=sentence):
        to_model(image, config, "A", "x")


def test_16_bit_colour_as_a_picture_is_an_error():
    config = DataConfig(range_B=(0, 65535))
    with pytest.raises(UserError, match="Pillow has no picture of 3 channels of uint16: pass arrays"):
        there_and_back(Image.fromarray(noise(4, 4, 3)), config)


def test_each_takes_one_image_or_an_array_of_them():
    def double(several: list[UserImage]) -> list[UserImage]:
        return [np.asarray(image) * 2 for image in several]

    one = noise(2, 2, 3, high=100)
    np.testing.assert_array_equal(np.asarray(each(one, double)), 2 * one)
    assert np.shape(np.asarray(each(np.stack([one, one]), double))) == (2, 2, 2, 3)
