"""Images between files, uint8 arrays and the range of the networks."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.data import images, palette
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError

RED, GREEN, BLUE, GRAY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 90, 90)


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def quarters() -> Image.Image:
    """24 x 16 pixels with another colour in each quarter: red, green / blue, gray."""
    picture = Image.new("RGB", (24, 16))
    for color, place in zip((RED, GREEN, BLUE, GRAY), ((0, 0), (12, 0), (0, 8), (12, 8)), strict=True):
        picture.paste(color, (*place, place[0] + 12, place[1] + 8))
    return picture


def corners(image: Uint8Image) -> list[tuple[int, ...]]:
    return [tuple(image[y, x].tolist()) for y in (2, -3) for x in (2, -3)]


def noise(height: int, width: int, channels: int, seed: int = 0) -> Uint8Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def gray_of(color: tuple[int, int, int]) -> int:
    return round((299 * color[0] + 587 * color[1] + 114 * color[2]) / 1000)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_decode_keeps_every_pixel_of_lossless_files(kind: str) -> None:
    pixels = noise(9, 13, 3)
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = images.decode(encode(Image.fromarray(pixels), kind, **options), 3, "x")
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


def test_decode_jpeg_is_near_and_gives_the_channels_asked_for() -> None:
    encoded = encode(quarters(), "JPEG", quality=95, subsampling=0)
    np.testing.assert_allclose(corners(images.decode(encoded, 3, "x")), [RED, GREEN, BLUE, GRAY], atol=4)
    assert images.decode(encoded, 1, "x").shape == (16, 24, 1)
    with_alpha = images.decode(encoded, 4, "x")
    assert with_alpha.shape == (16, 24, 4)
    assert np.all(with_alpha[..., 3] == 255)


def test_decode_gray_is_the_luminance() -> None:
    gray = images.decode(encode(quarters()), 1, "x")
    expected = [(gray_of(color),) for color in (RED, GREEN, BLUE, GRAY)]
    np.testing.assert_allclose(corners(gray), expected, atol=1)


def test_decode_reads_colours_of_palette_files_not_their_indices() -> None:
    picture = quarters().quantize(4)
    assert picture.mode == "P"
    encoded = encode(picture)
    assert corners(images.decode(encoded, 3, "x")) == [RED, GREEN, BLUE, GRAY]
    assert corners(images.decode(encoded, 1, "x")) == [(gray_of(color),) for color in (RED, GREEN, BLUE, GRAY)]


@pytest.mark.parametrize("transparency", [0, bytes([0, 128, 255, 255])], ids=["one colour", "a table"])
def test_decode_palette_with_transparency(transparency: int | bytes) -> None:
    encoded = encode(quarters().quantize(4), transparency=transparency)
    with_alpha = images.decode(encoded, 4, "x")
    assert np.any(with_alpha[..., 3] < 255)
    assert corners(images.decode(encoded, 3, "x")) == [RED, GREEN, BLUE, GRAY]


def test_decode_gray_files_of_every_kind() -> None:
    gray = Image.fromarray(noise(8, 8, 1)[..., 0])
    as_rgb = images.decode(encode(gray), 3, "x")
    np.testing.assert_array_equal(as_rgb, np.repeat(np.array(gray)[..., None], 3, axis=2))
    transparent = Image.merge("LA", (gray, Image.new("L", (8, 8), 77)))
    np.testing.assert_array_equal(images.decode(encode(transparent), 3, "x"), as_rgb)
    np.testing.assert_array_equal(images.decode(encode(transparent), 1, "x"), as_rgb[..., :1])
    assert np.all(images.decode(encode(transparent), 4, "x")[..., 3] == 77)
    bits = Image.fromarray(noise(8, 8, 1)[..., 0] > 127)
    assert set(np.unique(images.decode(encode(bits), 1, "x"))) == {0, 255}


def test_decode_cmyk() -> None:
    encoded = encode(quarters().convert("CMYK"), "JPEG", quality=98, subsampling=0)
    np.testing.assert_allclose(corners(images.decode(encoded, 3, "x")), [RED, GREEN, BLUE, GRAY], atol=6)


def test_decode_drops_alpha_or_keeps_it() -> None:
    pixels = noise(6, 7, 4)
    encoded = encode(Image.fromarray(pixels))
    np.testing.assert_array_equal(images.decode(encoded, 4, "x"), pixels)
    np.testing.assert_array_equal(images.decode(encoded, 3, "x"), pixels[..., :3])


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, [RED, GREEN, BLUE, GRAY]), (3, [GRAY, BLUE, GREEN, RED]), (6, [BLUE, RED, GRAY, GREEN])],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_decode_applies_the_exif_rotation(orientation: int, expected: list[tuple[int, ...]], kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    decoded = images.decode(encode(quarters(), kind, exif=exif, **options), 3, "x")
    assert decoded.shape == ((24, 16, 3) if orientation == 6 else (16, 24, 3))
    np.testing.assert_allclose(corners(decoded), expected, atol=4)


def test_decode_takes_the_first_frame() -> None:
    encoded = encode(quarters(), "WEBP", save_all=True, append_images=[Image.new("RGB", (24, 16))], lossless=True)
    assert corners(images.decode(encoded, 3, "x")) == [RED, GREEN, BLUE, GRAY]


def broken_checksum() -> bytes:
    encoded = bytearray(encode(quarters()))
    encoded[30] ^= 1  # in the CRC of the header
    return bytes(encoded)


def png(width: int, height: int, depth: int, pixels: bytes) -> bytes:
    """An RGB file of any depth, which Pillow cannot write itself."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0),
        b"IDAT": zlib.compress(pixels),
        b"IEND": b"",
    }
    parts = [
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_decode_keeps_the_upper_half_of_16_bit_colours() -> None:
    row = struct.pack(">B6H", 0, 0x12FF, 0x3400, 0xFFFF, 0x00FF, 0x0100, 0x8001)
    np.testing.assert_array_equal(images.decode(png(2, 1, 16, row), 3, "x"), [[[0x12, 0x34, 0xFF], [0x00, 0x01, 0x80]]])


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"not an image",
        encode(Image.fromarray(noise(64, 64, 3)), "JPEG")[:-500],
        encode(Image.fromarray(noise(64, 64, 3)))[:-5000],
        encode(Image.fromarray(noise(64, 64, 3)), "WEBP")[:-500],
        broken_checksum(),
        png(100_000, 100_000, 8, b""),
    ],
    ids=["empty", "text", "half a JPEG", "half a PNG", "half a WebP", "checksum", "huge"],
)
def test_decode_names_the_file_it_cannot_read(encoded: bytes) -> None:
    with pytest.raises(UserError, match=r"the image photos/cat\.jpg cannot be read"):
        images.decode(encoded, 3, "photos/cat.jpg")


@pytest.mark.parametrize(
    ("dtype", "kind", "mode"),
    [(np.uint16, "PNG", "I;16"), (np.uint16, "TIFF", "I;16"), (np.int32, "TIFF", "I"), (np.float32, "TIFF", "F")],
)
def test_decode_refuses_gray_values_that_would_be_clipped(dtype: Any, kind: str, mode: str) -> None:
    encoded = encode(Image.fromarray(np.full((4, 4), 1000, dtype)), kind)
    # Without the refusal: white, though the value is 1000 of 65535.
    with Image.open(io.BytesIO(encoded)) as picture:
        assert np.all(np.asarray(picture.convert("L")) == 255)
    with pytest.raises(UserError, match=rf"the image depth\.png holds .*mode {mode}\), .* convert it to 8 bits"):
        images.decode(encoded, 3, "depth.png")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("nearest", [False, True])
def test_resize_gives_the_size_for_all_channels(channels: int, nearest: bool) -> None:
    resized = images.resize(noise(10, 14, channels), 6, 21, nearest=nearest)
    assert resized.shape == (6, 21, channels)
    assert resized.dtype == np.uint8


def test_resize_to_its_own_size_changes_nothing() -> None:
    image = noise(10, 14, 3)
    for nearest in (False, True):
        np.testing.assert_array_equal(images.resize(image, 10, 14, nearest=nearest), image)


def test_resize_averages_what_it_shrinks() -> None:
    """Antialiasing: fine black and white lines turn gray, where bicubic without it would keep some black or white."""
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[:, ::2] = 255
    assert np.ptp(images.resize(lines, 16, 16, nearest=False)[:, 2:-2]) < 10
    assert set(np.unique(images.resize(lines, 64, 24, nearest=True))) == {0, 255}


def test_resize_nearest_makes_no_new_colours_where_bicubic_does() -> None:
    labels = palette.color_array()[noise(40, 40, 1)[..., 0] % 19]
    known = {tuple(color) for color in palette.color_array().tolist()}

    def colors(image: Uint8Image) -> set[tuple[int, ...]]:
        return {tuple(color) for color in image.reshape(-1, 3).tolist()}

    assert colors(images.resize(labels, 27, 33, nearest=True)) <= known
    assert not colors(images.resize(labels, 27, 33, nearest=False)) <= known


def test_snap_to_palette_takes_the_nearest_colour() -> None:
    colors = palette.color_array(unlabelled=True)
    image = noise(12, 15, 3)
    snapped = images.snap_to_palette(image, colors)
    assert snapped.shape == image.shape
    assert snapped.dtype == np.uint8
    for pixel, got in zip(image.reshape(-1, 3), snapped.reshape(-1, 3), strict=True):
        distances = ((colors.astype(int) - pixel) ** 2).sum(axis=1)
        assert tuple(got) == tuple(colors[distances.argmin()])
    np.testing.assert_array_equal(images.snap_to_palette(colors[None], colors)[0], colors)


def test_snap_to_palette_restores_labels_from_a_jpeg() -> None:
    colors = palette.color_array(unlabelled=True)
    labels = np.kron(colors[np.arange(20).reshape(4, 5)], np.ones((8, 8, 1), np.uint8))
    stored = images.decode(encode(Image.fromarray(labels), "JPEG", quality=95, subsampling=0), 3, "x")
    assert np.any(stored != labels)
    np.testing.assert_array_equal(images.snap_to_palette(stored, colors), labels)


def test_every_uint8_value_survives_the_way_there_and_back() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    for scale in (images.to_model_range, jax.jit(images.to_model_range, static_argnums=1)):
        scaled = scale(jnp.asarray(values), "float32")
        assert scaled.dtype == jnp.float32
        np.testing.assert_allclose(scaled, values / 127.5 - 1, atol=2e-7)
        assert -1 <= float(scaled.min()) <= float(scaled.max()) <= 1
        np.testing.assert_array_equal(images.to_uint8(scaled), values)
        assert np.any(((np.asarray(scaled) + 1) * 127.5).astype(np.uint8) != values), "truncation would do as well"


def test_float64_is_exact_too() -> None:
    values = np.arange(256, dtype=np.uint8)
    with jax.enable_x64(True):
        scaled = images.to_model_range(jnp.asarray(values), "float64")
        assert scaled.dtype == jnp.float64
        np.testing.assert_allclose(scaled, values / 127.5 - 1, rtol=0, atol=1e-15)
        np.testing.assert_array_equal(images.to_uint8(scaled), values)


def test_to_model_range_takes_floats_as_they_are() -> None:
    scaled = images.to_model_range(jnp.array([-1.0, 0.25, 1.0], jnp.bfloat16), "float32")
    assert scaled.dtype == jnp.float32
    np.testing.assert_array_equal(scaled, [-1.0, 0.25, 1.0])


def test_to_uint8_rounds_and_clips() -> None:
    values = np.array([-1.5, -1.0, 0.0, 0.999, 1.0, 7.0, np.inf])
    np.testing.assert_array_equal(images.to_uint8(values), [0, 0, 128, 255, 255, 255, 255])
    np.testing.assert_array_equal(images.to_uint8(jnp.array([-1.0, 0.0, 1.0], jnp.bfloat16)), [0, 128, 255])


def test_ranges_refuse_other_types_and_nan() -> None:
    with pytest.raises(UserError, match=r"images are int32, but they must be uint8 in .* or floats"):
        images.to_model_range(jnp.zeros(3, jnp.int32), "float32")
    with pytest.raises(UserError, match="images are uint8, but they must be floats"):
        images.to_uint8(np.zeros(3, np.uint8))
    with pytest.raises(UserError, match="the images hold NaN"):
        images.to_uint8(np.array([0.0, np.nan]))


def test_grid_places_the_images_with_white_gaps() -> None:
    rows = [[noise(5, 7, 3, seed=10 * i + j) for j in range(3)] for i in range(2)]
    picture = images.grid(rows)
    assert picture.shape == (2 * 5 + 2, 3 * 7 + 2 * 2, 3)
    assert picture.dtype == np.uint8
    seen = np.zeros(picture.shape[:2], bool)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            place = np.s_[i * 7 : i * 7 + 5, j * 9 : j * 9 + 7]
            np.testing.assert_array_equal(picture[place], image)
            seen[place] = True
    assert np.all(picture[~seen] == 255)


def test_grid_turns_gray_to_rgb_and_lays_rgba_on_white() -> None:
    gray = noise(4, 4, 1)
    color = np.array([10, 20, 30], np.uint8)
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., :3] = color
    rgba[0, :, 3], rgba[1, :, 3] = 255, 51
    picture = images.grid([[gray, rgba]])
    np.testing.assert_array_equal(picture[:, :4], np.repeat(gray, 3, axis=2))
    np.testing.assert_array_equal(picture[0, 6], color)
    np.testing.assert_array_equal(picture[1, 6], np.rint(0.2 * color + 0.8 * 255))
    np.testing.assert_array_equal(picture[2, 6], [255, 255, 255])


@pytest.mark.parametrize(
    "rows",
    [[], [[]], [[noise(4, 4, 3)], []], [[noise(4, 4, 3), noise(4, 5, 3)]]],
    ids=["no row", "an empty row", "rows of other lengths", "other sizes"],
)
def test_grid_refuses_what_does_not_fit(rows: list[list[Uint8Image]]) -> None:
    with pytest.raises(UserError, match="a grid needs rows of as many images, all of one size"):
        images.grid(rows)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_save_png_is_read_back_as_it_was(tmp_path: Path, channels: int) -> None:
    image = noise(6, 5, channels)
    images.save_png(tmp_path / "a.png", image)
    np.testing.assert_array_equal(images.decode((tmp_path / "a.png").read_bytes(), channels, "a.png"), image)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_save_png_replaces_a_picture_at_once(tmp_path: Path) -> None:
    """Whoever has the old file open goes on reading the old picture, not a mixture."""
    images.save_png(tmp_path / "a.png", noise(6, 5, 3))
    old = (tmp_path / "a.png").read_bytes()
    with (tmp_path / "a.png").open("rb") as reader:
        images.save_png(tmp_path / "a.png", noise(6, 5, 3, seed=1))
        assert reader.read() == old
    assert (tmp_path / "a.png").read_bytes() != old


def test_save_png_that_fails_half_way_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, old = tmp_path / "a.png", noise(6, 5, 3)
    images.save_png(path, old)

    def full_disk(self: Image.Image, target: Path, kind: str) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(UserError, match=r"the picture .*a\.png cannot be written .*No space left"):
        images.save_png(path, noise(6, 5, 3, seed=1))
    np.testing.assert_array_equal(images.decode(path.read_bytes(), 3, "a.png"), old)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_save_png_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the picture .*missing/a\.png cannot be written"):
        images.save_png(tmp_path / "missing" / "a.png", noise(6, 5, 3))
