"""16-bit and float images, scaled by a stated range."""

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data import decode_16bit
from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.dataset import Dataset, Example
from cyclegan_jax.data.decode import decode, open_picture
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from tests.helpers.examples import config, split_of

FULL = (0.0, 65535.0)


def wide(*shape: int, high: int = 65536) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, high, shape, dtype=np.uint16)


def pillow(values: npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind, **options)
    return stream.getvalue()


def png(values: npt.NDArray[Any]) -> bytes:
    return bytes(imagecodecs.png_encode(values))


def npy(values: npt.NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **options)
    return stream.getvalue()


def scaled(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float64]:
    return (values.astype(np.float64) - low) / (high - low) * 2 - 1


GRAY, COLOR, ALPHA = wide(5, 7), wide(5, 7, 3), wide(5, 7, 4)
FLOATS = np.random.default_rng(1).normal(size=(5, 7, 3)).astype(np.float32)
KINDS: dict[str, tuple[bytes, npt.NDArray[Any]]] = {
    "16-bit gray PNG": (pillow(GRAY, "PNG"), GRAY),
    "16-bit gray TIFF": (pillow(GRAY, "TIFF"), GRAY),
    "16-bit RGB PNG": (png(COLOR), COLOR),
    "16-bit RGBA PNG": (png(ALPHA), ALPHA),
    "16-bit RGB TIFF": (bytes(imagecodecs.tiff_encode(COLOR)), COLOR),
    "float gray TIFF": (pillow(FLOATS[..., 0], "TIFF"), FLOATS[..., 0]),
    "32-bit gray TIFF": (pillow(GRAY.astype(np.int32) * 7, "TIFF"), GRAY.astype(np.int32) * 7),
    "float array": (npy(FLOATS), FLOATS),
    "gray float array": (npy(FLOATS[..., 1]), FLOATS[..., 1]),
    "16-bit array": (npy(COLOR), COLOR),
    "8-bit JPEG": (pillow(np.full((5, 7), 200, np.uint8), "JPEG"), np.full((5, 7), 200)),
    "8-bit palette PNG": (
        pillow(np.full((5, 7, 3), [10, 20, 30], np.uint8), "PNG"),
        np.full((5, 7, 3), [10, 20, 30]),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_scaled_as_they_are_stored(kind: str) -> None:
    encoded, values = KINDS[kind]
    limits = (-5.0, 255.0 if kind.startswith("8-bit") else 65535.0 * (7 if kind.startswith("32-bit") else 1))
    channels = values.shape[2] if values.ndim == 3 else 1
    got = decode_16bit.decode_scaled(encoded, channels, limits, kind)
    expected = scaled(values, *limits).reshape(got.shape)
    if channels == 4:
        expected[..., 3] = scaled(values[..., 3], 0, 65535)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_no_bit_is_lost_and_the_limits_become_minus_1_and_1() -> None:
    got = decode_16bit.decode_scaled(pillow(GRAY, "PNG"), 1, FULL, "x")
    np.testing.assert_array_equal(np.rint((got[..., 0].astype(np.float64) + 1) / 2 * 65535), GRAY)
    ends = np.array([[0, 4095]], np.uint16)
    np.testing.assert_array_equal(decode_16bit.decode_scaled(pillow(ends, "PNG"), 1, (0, 4095), "x"), [[[-1], [1]]])


def test_pillow_alone_loses_the_lower_bits_of_colour() -> None:
    """The control: why another library is asked for."""
    encoded = png(COLOR)
    np.testing.assert_array_equal(decode(encoded, 3, "x"), COLOR >> 8)


def test_channels_are_converted() -> None:
    gray = decode_16bit.decode_scaled(npy(GRAY), 3, FULL, "x")
    assert gray.shape == (5, 7, 3)
    assert np.array_equal(gray[..., 0], gray[..., 2])
    luma = decode_16bit.decode_scaled(npy(COLOR), 1, FULL, "x")
    expected = scaled(COLOR, *FULL) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(luma[..., 0], expected, atol=1e-6)
    opaque = decode_16bit.decode_scaled(npy(COLOR), 4, FULL, "x")
    assert (opaque[..., 3] == 1).all()
    dropped = decode_16bit.decode_scaled(npy(ALPHA), 3, FULL, "x")
    np.testing.assert_allclose(dropped, scaled(ALPHA[..., :3], *FULL), atol=1e-6)


SCAN = wide(5, 7, 3, high=4096)
LEVELS = np.random.default_rng(2).uniform(0, 4095, (5, 7, 3)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("encoder", "colors", "opaque"),
    [(png, SCAN, 65535), (npy, SCAN, 65535), (npy, LEVELS, 1), (npy, LEVELS[..., :1], 1), (npy, SCAN[..., :1], 65535)],
)
def test_alpha_has_the_full_range_of_its_dtype(
    encoder: Any, colors: npt.NDArray[Any], opaque: int, channels: int
) -> None:
    alpha = np.full((5, 7, 1), opaque, colors.dtype)
    alpha[0] = 0
    with_alpha = decode_16bit.decode_scaled(encoder(np.dstack([colors, alpha])), channels, (0, 4095), "x")
    without = decode_16bit.decode_scaled(encoder(colors), channels, (0, 4095), "x")
    if channels == 4:
        assert (with_alpha[0, :, 3] == -1).all() and (with_alpha[1:, :, 3] == 1).all()
    np.testing.assert_array_equal(with_alpha[..., :3], without[..., :3])


def test_alpha_of_8_bits_has_the_range_of_8_bits() -> None:
    pixels = np.full((4, 4, 4), 100, np.uint8)
    pixels[..., 3] = 255
    got = decode_16bit.decode_scaled(pillow(pixels, "PNG"), 4, (0, 100), "x")
    np.testing.assert_array_equal(got, np.ones((4, 4, 4)))


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (np.float32(255), r"the image x\.npy holds alpha from 255 to 255, but alpha of float32 is 0 to 1"),
        (np.int64(255), r"the image x\.npy holds alpha of int64, for which .* store uint8, uint16 or floats"),
    ],
)
def test_alpha_whose_scale_is_unclear_is_an_error(alpha: Any, message: str) -> None:
    encoded = npy(np.full((4, 4, 4), alpha))
    with pytest.raises(UserError, match=message):
        decode_16bit.decode_scaled(encoded, 4, (0, 255), "x.npy")
    decode_16bit.decode_scaled(encoded, 3, (0, 255), "x.npy")  # alpha is dropped


@pytest.mark.parametrize(
    ("encoded", "limits", "message"),
    [
        (pillow(np.full((5, 7), 200, np.uint8), "PNG"), (0, 4095), "is uint8, which holds values up to 255, but"),
        (npy(np.full((5, 7), 200, np.uint8)), (0, 256), r"is uint8, .* data\.range_A is 0 to 256: convert"),
        (npy(np.full((5, 7), 100, np.int8)), (-5, 255), "is int8, which holds values up to 127"),
        (npy(GRAY), (0, 65536), "is uint16, which holds values up to 65535"),
    ],
)
def test_a_dtype_that_cannot_hold_the_range_is_an_error(encoded: bytes, limits: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"the image photo {message}"):
        decode_16bit.decode_scaled(encoded, 1, limits, "photo")


@pytest.mark.parametrize(
    ("dtype", "high"),
    [(np.uint8, 255), (np.uint8, 100), (np.uint16, 65535), (np.int16, 4095), (np.int64, 1e6), (np.float16, 1e6)],
)
def test_small_values_in_a_dtype_that_holds_the_range(dtype: Any, high: float) -> None:
    values = np.arange(12).reshape(3, 4).astype(dtype)
    got = decode_16bit.decode_scaled(npy(values), 1, (0, high), "x")
    np.testing.assert_allclose(got[..., 0], scaled(values, 0, high), atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_rotation_is_applied_as_for_8_bit_images(orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = pillow(pixels, "PNG", exif=exif)
    got = decode_16bit.decode_scaled(encoded, 3, (0, 255), "x")
    np.testing.assert_allclose(got, scaled(decode(encoded, 3, "x"), 0, 255), atol=1e-6)


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (
            npy(np.array([[0, 4096]], np.uint16)),
            r"scan\.npy holds values from 0 to 4096, but data\.range_A is 0 to 4095",
        ),
        (npy(np.array([[-1, 5]], np.int16)), "holds values from -1 to 5"),
        (npy(np.array([[np.nan, 5]])), "holds NaN"),
        (npy(np.zeros((2, 2, 2, 2))), r"is float64 of shape \(2, 2, 2, 2\), but an image must be"),
        (npy(np.zeros((2, 2, 9))), r"of shape \(2, 2, 9\)"),
        (npy(np.array([[1j]])), "is complex128"),
        (npy(FLOATS)[:-8], r"the array scan\.npy cannot be read"),
        (npy(np.array([[{}]]), allow_pickle=True), r"the array scan\.npy cannot be read|is object"),
        (png(COLOR)[:-40], r"the image scan\.npy cannot be read"),
        (b"text", r"the image scan\.npy cannot be read"),
    ],
)
def test_values_outside_the_limits_and_bad_files_are_errors(encoded: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        decode_16bit.decode_scaled(encoded, 1, (0, 4095), "scan.npy")


def test_without_imagecodecs_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(UserError, match=r"pip install 'cyclegan-jax\[highdepth\]'"):
        decode_16bit.decode_scaled(png(COLOR), 3, FULL, "x")
    decode_16bit.decode_scaled(pillow(GRAY, "PNG"), 1, FULL, "x")


def test_only_8_bit_arrays_need_no_range() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(npy(pixels), 3, "x"), pixels)
    np.testing.assert_array_equal(decode(npy(pixels[..., 0]), 1, "x")[..., 0], pixels[..., 0])
    with pytest.raises(
        UserError, match=r"x\.npy holds float32 values: state their range when training, such as --data\.range_A 0 1"
    ):
        decode(npy(FLOATS), 3, "x.npy")


def test_float_images_are_antialiased_and_not_clipped() -> None:
    steps = np.zeros((32, 32, 1), np.float32)
    steps[:, 16:] = 1
    shrunk = resize(steps, 8, 8, nearest=False)
    assert shrunk.shape == (8, 8, 1)
    assert shrunk.dtype == np.float32
    byte_form = resize((steps * 200 + 20).astype(np.uint8), 8, 8, nearest=False)
    np.testing.assert_allclose(shrunk * 200 + 20, byte_form, atol=1)
    assert shrunk.max() > 1, "the overshoot of bicubic interpolation stays"


def test_batches_of_a_stated_range_are_floats() -> None:
    items = split_of(*(Example(npy(wide(12, 12, high=4096)), f"{i}.npy") for i in range(3)))
    eight = split_of(*(Example(pillow(np.zeros((12, 12, 3), np.uint8), "PNG"), f"{i}.png") for i in range(3)))
    experiment = config(batch_size=2, range_A=(0.0, 4095.0), channels_A=1)
    batch = next(train_iterator(Dataset(items, eight), experiment))
    assert batch["A"].dtype == np.float32
    assert batch["A"].shape == (2, 8, 8, 1)
    assert batch["B"].dtype == np.uint8
    assert batch["B"].shape == (2, 8, 8, 3)
    assert batch["A"].std() > 0.1


def test_limits_are_rounded_to_float32_for_float32_files() -> None:
    values = np.array([[0.0, 0.1]], np.float32)
    assert float(values.max()) > 0.1  # what float32 makes of it
    np.testing.assert_array_equal(decode_16bit.decode_scaled(npy(values), 1, (0, 0.1), "x"), [[[-1], [1]]])
    with pytest.raises(UserError, match=r"holds values from 0 to 0\.1001"):
        decode_16bit.decode_scaled(npy(values * np.float32(1.001)), 1, (0, 0.1), "x")


def test_a_range_must_be_two_increasing_numbers() -> None:
    with pytest.raises(
        UserError, match=r"data\.range_A is \(5\.0, 5\.0\), but it must be two finite values, the lower first"
    ):
        DataConfig(range_A=(5.0, 5.0))
    with pytest.raises(
        UserError, match=r"data\.range_B is \(1\.0,\), but it must be 2 values, each a number or several of these"
    ):
        DataConfig(range_B=(1.0,))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"but data\.labels is 'A' and label maps"):
        DataConfig(range_A=(0.0, 1.0), labels="A")


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_no_pickle_is_loaded_whatever_holds_it(tmp_path: Path) -> None:
    trap = Touch(tmp_path / "run")
    objects, archive = io.BytesIO(), io.BytesIO()
    np.save(objects, np.array([[trap]], object), allow_pickle=True)
    np.savez(archive, np.array([[trap]], object))
    for content in (objects.getvalue(), archive.getvalue(), pickle.dumps(trap)):
        for read in (decode_16bit.stored_values, lambda encoded, name: open_picture(encoded, None, name)):
            with pytest.raises(UserError, match=r"scan\.npy"):
                read(content, "scan.npy")
        assert not trap.path.exists()
    pickle.loads(pickle.dumps(trap))
    assert trap.path.exists(), "the trap would not show anything"
