"""Odd image files: every format that is read, whole and damaged, and pictures at the edges of what formats allow."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

SIZE = 24
"""Height and width of most of them, in pixels."""

FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "jfif": "JPEG",
    "webp": "WEBP",
    "bmp": "BMP",
    "tif": "TIFF",
    "ppm": "PPM",
    "gif": "GIF",
    "jp2": "JPEG2000",
    "avif": "AVIF",
    "npy": "npy",
}
"""Pillow's name of the format by the ending; arrays are NumPy's."""


def odd_images() -> dict[str, bytes]:
    """File contents by file name."""
    return {**_damaged(), **_modes(), **_sizes(), **_exif(), **_animations(), **_arrays(), **_headers()}


def photo(height: int = SIZE, width: int = SIZE) -> Image.Image:
    """A picture of noise, which no format compresses to nothing."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The content of an image file in one of `FORMATS`' values."""
    stream = io.BytesIO()
    if kind == "npy":
        np.save(stream, np.asarray(picture))
    else:
        picture.save(stream, kind, **options)
    return stream.getvalue()


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 8]) + content[middle + 8 :]


def _damaged() -> dict[str, bytes]:
    damages: dict[str, Callable[[bytes], bytes]] = {
        "whole": lambda content: content,
        "half": lambda content: content[: len(content) // 2],
        "header_only": lambda content: content[:20],
        "one_byte_short": lambda content: content[:-1],
        "flipped": _flipped,
        "zeros": lambda content: bytes(len(content)),
        "more_behind": lambda content: content + b"more" * 100,
    }
    contents = {ending: encoded(photo(), kind) for ending, kind in FORMATS.items()}
    found = {
        f"{ending}_{name}.{ending}": damage(content)
        for ending, content in contents.items()
        for name, damage in damages.items()
    }
    found |= {f"{ending}_empty.{ending}": b"" for ending in FORMATS}
    endings = list(FORMATS)
    # The ending of another format: the content decides.
    found |= {f"{endings[i]}_in.{endings[i - 1]}": contents[endings[i]] for i in range(len(endings))}
    return found | {"text.png": b"no image\n", "page.jpg": b"<!doctype html><title>404</title>"}


def _modes() -> dict[str, bytes]:
    base = photo()
    deep = np.random.default_rng(1).integers(0, 65536, (SIZE, SIZE), dtype=np.uint16)
    clear = base.copy()
    clear.putalpha(Image.linear_gradient("L").resize(base.size))
    palette = base.quantize(16)
    return {
        "mode_1.png": encoded(base.convert("1"), "PNG"),
        "mode_1.tif": encoded(base.convert("1"), "TIFF", compression="group4"),
        "mode_L.jpg": encoded(base.convert("L"), "JPEG"),
        "mode_LA.png": encoded(clear.convert("LA"), "PNG"),
        "mode_P.png": encoded(palette, "PNG"),
        "mode_P_clear.png": encoded(palette, "PNG", transparency=3),
        "mode_P.gif": encoded(palette, "GIF", transparency=3),
        "mode_RGBA.png": encoded(clear, "PNG"),
        "mode_RGBA.webp": encoded(clear, "WEBP"),
        "mode_CMYK.jpg": encoded(base.convert("CMYK"), "JPEG"),
        "mode_CMYK.tif": encoded(base.convert("CMYK"), "TIFF"),
        "mode_YCbCr.tif": encoded(base.convert("YCbCr"), "TIFF"),
        "mode_LAB.tif": encoded(base.convert("LAB"), "TIFF"),
        "mode_I16.png": encoded(Image.fromarray(deep), "PNG"),
        "mode_I16.tif": encoded(Image.fromarray(deep), "TIFF"),
        "mode_F.tif": encoded(base.convert("F"), "TIFF"),
        "mode_I.tif": encoded(base.convert("I"), "TIFF"),
        "progressive.jpg": encoded(base, "JPEG", progressive=True),
        "interlaced.gif": encoded(palette, "GIF", interlace=1),
        "lzw.tif": encoded(base, "TIFF", compression="tiff_lzw"),
        "icc_of_nothing.png": encoded(base, "PNG", icc_profile=b"no profile"),
        "icc_of_nothing.jpg": encoded(base, "JPEG", icc_profile=b"no profile" * 1000),
        "icc_of_nothing.webp": encoded(base, "WEBP", icc_profile=b"no profile"),
        "gray16.pgm": b"P5 4 4 65535\n" + bytes(32),
        "text.ppm": b"P3 2 2 255 " + b"1 2 3 " * 4,
    }


def _sizes() -> dict[str, bytes]:
    return {
        "1x1.png": encoded(photo(1, 1), "PNG"),
        "1x1.jpg": encoded(photo(1, 1), "JPEG"),
        "1x1.gif": encoded(photo(1, 1), "GIF"),
        "1x10000.png": encoded(photo(1, 10000), "PNG"),
        "10000x1.jpg": encoded(photo(10000, 1), "JPEG"),
        "2x3.bmp": encoded(photo(2, 3), "BMP"),
    }


def _exif() -> dict[str, bytes]:
    def turned(value: Any) -> Image.Exif:
        exif = Image.Exif()
        exif[274] = value
        return exif

    found = {f"turned_{i}.jpg": encoded(photo(SIZE, 18), "JPEG", exif=turned(i)) for i in (3, 6, 8)}
    found["turned_99.jpg"] = encoded(photo(), "JPEG", exif=turned(99))
    found["exif_of_nothing.jpg"] = encoded(photo(), "JPEG", exif=b"Exif\x00\x00no exif at all")
    found["exif_half.png"] = encoded(photo(), "PNG", exif=turned(6).tobytes()[:12])
    return found


def _animations() -> dict[str, bytes]:
    frames = [photo(), photo().transpose(Image.Transpose.ROTATE_90)]
    return {
        f"animated.{ending}": encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        for ending, kind in {"gif": "GIF", "webp": "WEBP", "png": "PNG", "tif": "TIFF", "avif": "AVIF"}.items()
    }


def _arrays() -> dict[str, bytes]:
    def saved(array: Any, *, pickled: bool = False) -> bytes:
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=pickled)
        return stream.getvalue()

    whole = np.zeros((SIZE, SIZE, 3), np.uint8)
    return {
        "array_nan.npy": saved(np.full((SIZE, SIZE, 3), np.nan, np.float32)),
        "array_float.npy": saved(whole.astype(np.float32)),
        "array_object.npy": saved(np.array([[{"a": 1}]], object), pickled=True),
        "array_1d.npy": saved(np.zeros(10, np.uint8)),
        "array_4d.npy": saved(whole[None]),
        "array_5_channels.npy": saved(np.zeros((SIZE, SIZE, 5), np.uint8)),
        "array_empty.npy": saved(np.zeros((0, SIZE, 3), np.uint8)),
        "array_complex.npy": saved(whole.astype(np.complex64)),
        "array_text.npy": saved(np.array([["a"]])),
        "array_fortran.npy": saved(np.asfortranarray(whole)),
        "array_gray.npy": saved(whole[..., 0]),
        "array_huge.npy": saved(whole).replace(b"(24, 24, 3)", b"(9999999,3)"),
    }


def _headers() -> dict[str, bytes]:
    def png_of(width: int, height: int) -> bytes:
        """A PNG whose header says another size than its content has, with a correct checksum."""
        content = encoded(photo(), "PNG")
        header = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]

    gif = encoded(photo(), "GIF")
    bmp = encoded(photo(), "BMP")
    return {
        "header_60000x60000.png": png_of(60000, 60000),
        "header_largest.png": png_of(2**31 - 1, 2**31 - 1),
        "header_0x0.png": png_of(0, 0),
        "header_48x48.png": png_of(2 * SIZE, 2 * SIZE),
        "header_60000x60000.gif": gif[:6] + struct.pack("<HH", 60000, 60000) + gif[10:],
        "header_negative.bmp": bmp[:18] + struct.pack("<ii", -SIZE, SIZE) + bmp[26:],
        "header_huge.bmp": bmp[:18] + struct.pack("<ii", 2**30, 2**30) + bmp[26:],
        "header_huge.ppm": b"P6 999999999 999999999 255\n" + bytes(100),
        "header_words.ppm": b"P6 many many 255\n" + bytes(100),
    }
