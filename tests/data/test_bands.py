"""Images of many channels: their files, their ranges, and what pictures show of them."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data import bands
from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.dataset import Dataset, Example
from cyclegan_jax.data.decode import decode_example
from cyclegan_jax.data.eval_images import eval_image
from cyclegan_jax.data_config import AugmentConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference.user_images import output_type
from tests.helpers.examples import config, noisy, split_of

RANGE = (0.0, 4095.0)


def scene(*shape: int, dtype: str = "uint16", high: int = 4096) -> npt.NDArray[Any]:
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


def npy(values: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def tiff(values: npt.NDArray[Any]) -> bytes:
    """One page per channel."""
    pages, stream = [Image.fromarray(page) for page in np.moveaxis(values, 2, 0)], io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    return stream.getvalue()


def samples(values: npt.NDArray[Any]) -> bytes:
    """One page that holds the channels of each pixel side by side."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, photometric="minisblack", planarconfig="contig")
    return stream.getvalue()


def planes(values: npt.NDArray[Any]) -> bytes:
    """One page that holds one channel after the other."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.moveaxis(values, 2, 0), photometric="minisblack", planarconfig="separate")
    return stream.getvalue()


@pytest.mark.parametrize("channels", [2, 4, 5, 64])
@pytest.mark.parametrize("encode", [npy, tiff, samples, planes])
def test_bands_are_read_from_arrays_pages_and_samples(encode: Any, channels: int) -> None:
    values = scene(6, 9, channels)
    ranges = (RANGE,) * channels
    decoded = decode_example(Example(encode(values), "a"), DataConfig(channels_A=channels, range_A=ranges), "A")
    np.testing.assert_allclose(np.asarray(decoded), values / 4095 * 2 - 1, atol=1e-6)
    assert np.asarray(decoded).dtype == np.float32


def test_pages_of_64_bit_floats_are_read() -> None:
    values, stream = scene(6, 9, 5).astype(np.float64), io.BytesIO()
    tifffile.imwrite(stream, np.moveaxis(values, 2, 0), photometric="minisblack")
    np.testing.assert_array_equal(bands.stored_bands(stream.getvalue(), "a"), values)


def test_signed_bytes_and_damaged_files_are_refused() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, scene(5, 6, 9, dtype="int8", high=100), photometric="minisblack")
    with pytest.raises(UserError, match="the image a holds signed integers of 8 bits"):
        bands.stored_bands(stream.getvalue(), "a")
    with pytest.raises(UserError) as refused:
        bands.stored_bands(samples(scene(60, 90, 5))[:900], "a")
    assert str(refused.value).count("the image") == 1


def test_a_band_of_fractions_makes_all_results_floats() -> None:
    """Of 0 to 10000 alone, whole numbers would do; they would make 0 or 1 of each share."""
    both = DataConfig(channels_A=2, range_A=((0.0, 10000.0), (0.0, 1.0)))
    assert output_type(both, "A") == np.float32
    assert output_type(DataConfig(channels_A=2, range_A=((0.0, 10000.0), (0.0, 255.0))), "A") == np.uint16
    assert output_type(DataConfig(channels_A=2), "A") == np.uint8


def test_each_band_has_its_range_and_its_name_in_errors() -> None:
    values = np.stack([scene(6, 9), scene(6, 9) - 2000.0, np.full((6, 9), 7.0)], axis=2).astype(np.float32)
    ranges = (RANGE, (-2000.0, 2095.0), (0.0, 10.0))
    data = DataConfig(channels_A=3, range_A=ranges)
    decoded = np.asarray(decode_example(Example(npy(values), "a.npy"), data, "A"))
    np.testing.assert_allclose(decoded[..., 0], decoded[..., 1], atol=1e-6)
    np.testing.assert_allclose(decoded[..., 2], 0.4, atol=1e-6)
    np.testing.assert_allclose(bands.unscaled(decoded, data, "A", np.dtype(np.float32)), values, atol=1e-3)
    assert data.value_range("A") == (-2000, 4095)
    narrow = DataConfig(channels_A=3, range_A=(*ranges[:2], (0.0, 5.0)))
    said = r"band 3 of the image a\.npy holds values from 7 to 7, but data\.range_A is 0 to 5: give the range"
    with pytest.raises(UserError, match=said):
        decode_example(Example(npy(values), "a.npy"), narrow, "A")


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        (npy(scene(6, 9, 4)), "the image a has 4 channels, but data.channels_A is 5: bands are not converted"),
        (npy(scene(6, 9, 65)), "the array a is uint16 of shape (6, 9, 65), but an image must be (height, width)"),
        (
            npy(scene(6, 9, 5)),
            "the image a holds uint16 values: state their range when training, such as --data.range_A",
        ),
        (tiff(scene(6, 9, 5))[:300], "the image a cannot be read"),
        (b"II*\0 nothing more", "the image a cannot be read"),
        (b"no image", "the image a cannot be read"),
    ],
)
def test_files_that_do_not_fit_are_refused(encoded: bytes, said: str) -> None:
    with pytest.raises(UserError) as refused:
        decode_example(Example(encoded, "a"), DataConfig(channels_A=5), "A")
    assert said in str(refused.value)


def test_pages_of_several_sizes_are_no_bands() -> None:
    stream = io.BytesIO()
    small = Image.fromarray(scene(5, 5))
    Image.fromarray(scene(6, 9)).save(stream, "TIFF", save_all=True, append_images=[small])
    with pytest.raises(UserError, match="has 2 pages that are not gray images of one size and dtype, but its pages"):
        bands.stored_bands(stream.getvalue(), "a.tif")


@pytest.mark.parametrize("values", [{"range_A": RANGE}, {}])
def test_batches_and_test_images_of_bands(values: dict[str, Any]) -> None:
    dtype = "uint16" if values else "uint8"
    item = Example(npy(scene(20, 24, 5, dtype=dtype, high=256)), "a.npy")
    changed = AugmentConfig(vertical_flip=True, quarter_turns=True, brightness=0.5, contrast=0.5)
    experiment = config(2, image_size=16, channels_A=5, augment_A=changed, **values)
    batch = next(train_iterator(Dataset(split_of(item), noisy(3, 0)), experiment))
    assert batch["A"].shape == (2, 16, 16, 5)
    assert batch["A"].dtype == (np.float32 if values else np.uint8)
    whole = eval_image(item, experiment.data, "A")
    assert whole.shape == (16, 16, 5)
    # Two channels of 8 bits are gray and alpha elsewhere, and would be weighted by each other.
    two = config(image_size=16, channels_A=2, **values).data
    alone = eval_image(Example(npy(scene(20, 24, 5, dtype=dtype, high=256)[..., :2]), "b.npy"), two, "A")
    np.testing.assert_array_equal(alone, whole[..., :2])


def test_pictures_show_the_chosen_bands() -> None:
    image = scene(4, 4, 5, dtype="uint8", high=256)
    five, reversed_ = DataConfig(channels_A=5), DataConfig(channels_A=5, bands_A=(3, 2, 1))
    np.testing.assert_array_equal(bands.picture(image, five, "A"), image[..., :3])
    np.testing.assert_array_equal(bands.picture(image, reversed_, "A"), image[..., [2, 1, 0]])
    assert bands.picture(image[..., :2], DataConfig(channels_A=2), "A").shape == (4, 4, 1)
    assert bands.picture(image[..., :3], DataConfig(), "A").shape == (4, 4, 3)
