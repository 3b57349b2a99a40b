"""Image files of every kind to 8-bit pixels."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

import cyclegan_jax
from cyclegan_jax.data.decode import decode, open_picture
from cyclegan_jax.data.decode_16bit import stored_values
from cyclegan_jax.data.images import FORMATS, Uint8Image
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
    decoded = decode(encode(Image.fromarray(pixels), kind, **options), 3, "x")
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


def test_decode_jpeg_is_near_and_gives_the_channels_asked_for() -> None:
    encoded = encode(quarters(), "JPEG", quality=95, subsampling=0)
    np.testing.assert_allclose(corners(decode(encoded, 3, "x")), [RED, GREEN, BLUE, GRAY], atol=4)
    assert decode(encoded, 1, "x").shape == (16, 24, 1)
    with_alpha = decode(encoded, 4, "x")
    assert with_alpha.shape == (16, 24, 4)
    assert np.all(with_alpha[..., 3] == 255)


def test_decode_gray_is_the_luminance() -> None:
    gray = decode(encode(quarters()), 1, "x")
    expected = [(gray_of(color),) for color in (RED, GREEN, BLUE, GRAY)]
    np.testing.assert_allclose(corners(gray), expected, atol=1)


def test_decode_reads_colours_of_palette_files_not_their_indices() -> None:
    picture = quarters().quantize(4)
    assert picture.mode == "P"
    encoded = encode(picture)
    assert corners(decode(encoded, 3, "x")) == [RED, GREEN, BLUE, GRAY]
    assert corners(decode(encoded, 1, "x")) == [(gray_of(color),) for color in (RED, GREEN, BLUE, GRAY)]


@pytest.mark.parametrize("transparency", [0, bytes([0, 128, 255, 255])], ids=["one colour", "a table"])
def test_decode_palette_with_transparency(transparency: int | bytes) -> None:
    encoded = encode(quarters().quantize(4), transparency=transparency)
    with_alpha = decode(encoded, 4, "x")
    assert np.any(with_alpha[..., 3] < 255)
    assert corners(decode(encoded, 3, "x")) == [RED, GREEN, BLUE, GRAY]


def test_decode_gray_files_of_every_kind() -> None:
    gray = Image.fromarray(noise(8, 8, 1)[..., 0])
    as_rgb = decode(encode(gray), 3, "x")
    np.testing.assert_array_equal(as_rgb, np.repeat(np.array(gray)[..., None], 3, axis=2))
    transparent = Image.merge("LA", (gray, Image.new("L", (8, 8), 77)))
    np.testing.assert_array_equal(decode(encode(transparent), 3, "x"), as_rgb)
    np.testing.assert_array_equal(decode(encode(transparent), 1, "x"), as_rgb[..., :1])
    assert np.all(decode(encode(transparent), 4, "x")[..., 3] == 77)
    bits = Image.fromarray(noise(8, 8, 1)[..., 0] > 127)
    assert set(np.unique(decode(encode(bits), 1, "x"))) == {0, 255}


def test_decode_cmyk() -> None:
    encoded = encode(quarters().convert("CMYK"), "JPEG", quality=98, subsampling=0)
    np.testing.assert_allclose(corners(decode(encoded, 3, "x")), [RED, GREEN, BLUE, GRAY], atol=6)


def test_decode_drops_alpha_or_keeps_it() -> None:
    pixels = noise(6, 7, 4)
    encoded = encode(Image.fromarray(pixels))
    np.testing.assert_array_equal(decode(encoded, 4, "x"), pixels)
    np.testing.assert_array_equal(decode(encoded, 3, "x"), pixels[..., :3])


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, [RED, GREEN, BLUE, GRAY]), (3, [GRAY, BLUE, GREEN, RED]), (6, [BLUE, RED, GRAY, GREEN])],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_decode_applies_the_exif_rotation(orientation: int, expected: list[tuple[int, ...]], kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    decoded = decode(encode(quarters(), kind, exif=exif, **options), 3, "x")
    assert decoded.shape == ((24, 16, 3) if orientation == 6 else (16, 24, 3))
    np.testing.assert_allclose(corners(decoded), expected, atol=4)


def test_decode_takes_the_first_frame() -> None:
    encoded = encode(quarters(), "WEBP", save_all=True, append_images=[Image.new("RGB", (24, 16))], lossless=True)
    assert corners(decode(encoded, 3, "x")) == [RED, GREEN, BLUE, GRAY]


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
    np.testing.assert_array_equal(decode(png(2, 1, 16, row), 3, "x"), [[[0x12, 0x34, 0xFF], [0x00, 0x01, 0x80]]])


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
def test_the_error_for_an_unreadable_file_holds_its_name(encoded: bytes) -> None:
    with pytest.raises(UserError, match=r"the image photos/cat\.jpg cannot be read"):
        decode(encoded, 3, "photos/cat.jpg")


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
        decode(encoded, 3, "depth.png")


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
(touched) print
showpage
%%EOF
"""


@pytest.mark.parametrize("kind", ["eps", "TGA", "PCX", "ICO", "SGI"])
def test_a_format_that_is_not_listed_is_refused(kind: str) -> None:
    stream = io.BytesIO(EPS if kind == "eps" else b"")
    if kind != "eps":
        Image.new("RGB", (32, 32)).save(stream, kind)
    with pytest.raises(
        UserError, match=r"photo\.png cannot be read: it is not an image in one of the formats PNG, JPEG"
    ):
        open_picture(stream.getvalue(), 3, "photo.png")
    with pytest.raises(UserError, match=r"photo\.png cannot be read"):
        stored_values(stream.getvalue(), "photo.png")


def test_every_listed_format_is_read() -> None:
    optional = {"JPEG2000": "jpg_2000", "AVIF": "avif"}  # Pillow can be built without them
    kinds = [kind for kind in FORMATS if kind not in optional or features.check(optional[kind])]
    assert len(kinds) >= 7
    for kind in [*kinds, "MPO"]:  # a JPEG file of several pictures, as phones write it
        stream = io.BytesIO()
        Image.new("RGB", (32, 32)).save(stream, kind)
        assert open_picture(stream.getvalue(), 3, kind).size == (32, 32)


def test_no_picture_is_opened_without_the_list_of_formats() -> None:
    package = Path(cyclegan_jax.__file__).parent
    opened = [line for file in package.rglob("*.py") for line in file.read_text().splitlines() if "Image.open(" in line]
    assert opened
    assert all("formats=FORMATS" in line for line in opened)
