"""Image files of more than 8 bits per channel to pixels: 16-bit PNG and TIFF, float TIFF, .npy arrays.

Scans, satellite images and depth maps hold 16-bit or float values, and no convention says which value is black and
which is white. The user states both as `data.range_A` and `data.range_B`. A value outside the range is an error, since
clipping would lose information without notice. The range is that of gray and colours: alpha has the full range of its
dtype.
"""

import io
from typing import Any, BinaryIO, Final

import numpy as np
from jaxtyping import Float, Float32, Float64, Num
from PIL import Image, TiffImagePlugin

from cyclegan_jax.data.images import FORMATS
from cyclegan_jax.errors import UserError

NPY_MAGIC: Final = b"\x93NUMPY"
"""The first bytes of every .npy file."""
TIFF_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of TIFF and BigTIFF files."""

_LUMA: Final = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601 luma, as in Pillow's conversion to gray
# Modes whose values are not gray, RGB or RGBA, such as palette indices: the mode to convert each to.
_PLAIN_MODES: Final = {"1": "L", "P": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}
_PNG_DEPTH: Final = 24  # offset of the bit depth: signature (8), chunk length and type (8), width and height (8)
_TIFF_BITS_PER_SAMPLE: Final = 258
TIFF_PLANAR: Final = 284  # 2 where the samples are stored plane by plane
_EXIF_ORIENTATION: Final = 274


def decode_scaled(
    encoded: bytes, channels: int, limits: tuple[float, float], name: str, *, field: str = "data.range_A"
) -> Float32[np.ndarray, "H W {channels}"]:
    """Decode an image file or a .npy array, and scale its stored values from `limits` to [-1, 1].

    An EXIF rotation is applied. `with_channels` says how channels are converted.

    Args:
        encoded: the file's content.
        channels: 1 for gray, 3 for RGB, 4 for RGBA.
        limits: the lowest and the highest value of the data set.
        name: the file, for error messages.
        field: the config field that holds the limits, for error messages.

    Returns:
        The image in [-1, 1].

    Raises:
        UserError: the file cannot be read; or `scale` raises.
    """
    values = stored_values(encoded, name)
    if channels != 4:
        values, _ = split_alpha(values)
    return with_channels(scale(values, limits, f"the image {name}", field=field), channels).astype(np.float32)


def scale(
    values: Num[np.ndarray, "H W C"], limits: tuple[float, float], subject: str, *, field: str
) -> Float64[np.ndarray, "H W C"]:
    """Scale gray or colours from `limits`, and alpha from the full range of its dtype, to [-1, 1] without clipping.

    Args:
        values: gray, gray and alpha, RGB or RGBA.
        limits: the lowest and the highest value of the data set.
        subject: the image as the subject of error messages, such as "the image a.png".
        field: the config field that holds the limits, for error messages.

    Raises:
        UserError: the dtype cannot hold values up to the upper limit, as with an 8-bit copy of a 12-bit image; the
            values hold NaN, or one outside the limits; or the dtype has no known value for opaque alpha.
    """
    colors, alpha = split_alpha(values)
    low, high = limits
    if values.dtype.kind in "ui" and np.iinfo(values.dtype).max < high:
        raise UserError(
            f"{subject} is {values.dtype}, which holds values up to {np.iinfo(values.dtype).max}, but {field} is "
            f"{low:g} to {high:g}: convert it to the dtype and the scale of the other images"
        )
    if values.dtype == np.float32:
        # A float32 file holds its limits rounded to float32: 0.1 is stored as 0.100000001, which is above 0.1.
        low, high = float(np.float32(low)), float(np.float32(high))
    if not _is_within(colors, low, high):
        raise UserError(
            f"{subject} holds {_found(colors)}, but {field} is {low:g} to {high:g}: give the range of the whole data "
            "set"
        )
    scaled = _to_unit(colors, low, high)
    if alpha is None:
        return scaled
    opaque = opaque_alpha(values.dtype, subject)
    if not _is_within(alpha, 0, opaque):
        raise UserError(
            f"{subject} holds alpha {_found(alpha).removeprefix('values ')}, but alpha of {values.dtype} is 0 to "
            f"{opaque}: scale it to that"
        )
    return np.concatenate([scaled, _to_unit(alpha, 0, opaque)], axis=2)


def split_alpha(
    values: Num[np.ndarray, "H W C"],
) -> tuple[Num[np.ndarray, "H W D"], Num[np.ndarray, "H W 1"] | None]:
    """Split an image of 2 or 4 channels into gray or colours, and alpha; others have no alpha. Returns views."""
    return (values[..., :-1], values[..., -1:]) if values.shape[2] in (2, 4) else (values, None)


def opaque_alpha(dtype: np.dtype[Any], subject: str = "the image") -> int:
    """Return the alpha of an opaque pixel: 255 in uint8, 65535 in uint16, 1 in floats.

    Raises:
        UserError: the dtype is another one; `subject` is the subject of the message.
    """
    if dtype.kind == "f":
        return 1
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return int(np.iinfo(dtype).max)
    raise UserError(
        f"{subject} holds alpha of {dtype}, for which no value means opaque: store uint8, uint16 or floats, or leave "
        "alpha out"
    )


def _is_within(values: Num[np.ndarray, "H W C"], low: float, high: float) -> bool:
    # False for NaN too, which is neither above nor below anything.
    return bool(low <= float(values.min()) and float(values.max()) <= high)


def _found(values: Num[np.ndarray, "H W C"]) -> str:
    if np.isnan(values).any():
        return "NaN"
    return f"values from {float(values.min()):g} to {float(values.max()):g}"


def _to_unit(values: Num[np.ndarray, "H W C"], low: float, high: float) -> Float64[np.ndarray, "H W C"]:
    return (values.astype(np.float64) - low) * (2 / (high - low)) - 1


def stored_values(encoded: bytes, name: str) -> Num[np.ndarray, "H W C"]:
    """Return the values of an image file as stored, in any dtype, with its EXIF rotation applied; C is 1 to 4.

    Raises:
        UserError: the file cannot be read.
    """
    if encoded.startswith(NPY_MAGIC):
        return npy_values(encoded, name)
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
            if _pillow_keeps_all_bits(picture, encoded):
                values = np.asarray(picture.convert(_PLAIN_MODES.get(picture.mode, picture.mode)))
            else:
                values = all_bits(encoded, picture.format, name)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(name, error) from error
    except Exception as error:  # For damaged files the libraries raise exceptions of many modules.
        raise UserError(
            f"the image {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    values = values[..., None] if values.ndim == 2 else values
    return _upright(values, orientation)


def too_large(name: str, error: Image.DecompressionBombError) -> UserError:
    """Return the error of an image with more pixels than Pillow takes for honest."""
    return UserError(
        f"the image {name} cannot be read, as it is too large ({error}): scale it down or cut it into parts; "
        "`cyclegan-jax translate` takes TIFF files of any size"
    )


def npy_values(encoded: bytes, name: str, most_channels: int = 4) -> Num[np.ndarray, "H W C"]:
    """Return the array of a .npy file, of at most so many channels; one of shape (H, W) gets a channel axis.

    Raises:
        UserError: the file is damaged, or its shape or dtype is not that of an image.
    """
    try:
        # A pickle can run any code when it is loaded: such arrays are refused.
        array = np.load(io.BytesIO(encoded), allow_pickle=False)
    except Exception as error:
        raise UserError(
            f"the array {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)  # black and white
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or not 1 <= array.shape[2] <= most_channels or array.size == 0 or array.dtype.kind not in "uif":
        raise UserError(
            f"the array {name} is {array.dtype} of shape {array.shape}, but an image must be (height, width) or "
            f"(height, width, channels) with 1 to {most_channels} channels, of integers or floats"
        )
    return array


def _pillow_keeps_all_bits(picture: Image.Image, encoded: bytes) -> bool:
    """Return whether Pillow loses nothing: it reads gray of any depth, but only the upper 8 bits of 16-bit colours."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return True
    if picture.format == "PNG":
        return encoded[_PNG_DEPTH] <= 8
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return max(bits) <= 8
    return True


def tiff_tags(stream: BinaryIO) -> TiffImagePlugin.ImageFileDirectory_v2:
    """The tags of a TIFF file's first page; its `next` is 0 where there is no other page. Pillow raises many errors."""
    header = stream.read(8)
    is_big = b"+" in header[2:4]
    tags = TiffImagePlugin.ImageFileDirectory_v2(header + (stream.read(8) if is_big else b""))
    stream.seek(tags.next)
    tags.load(stream)
    return tags


def all_bits(encoded: bytes, kind: str | None, name: str, *, all_pages: bool = False) -> Num[np.ndarray, "..."]:
    """Decode a PNG or TIFF (`kind`) by imagecodecs, which raises exceptions of many modules.

    Samples are on the last axis, also where the file holds them plane by plane; with `all_pages`, gray pages too.

    Raises:
        UserError: imagecodecs is not installed.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise UserError(
            f"the image {name} has 16 bits per colour channel, or over four channels, which only imagecodecs can read: "
            "pip install 'cyclegan-jax[highdepth]'"
        ) from error
    if kind == "PNG":
        return np.asarray(imagecodecs.png_decode(encoded))
    values = np.asarray(imagecodecs.tiff_decode(encoded, index=None if all_pages else 0))
    tags = tiff_tags(io.BytesIO(encoded))
    by_planes = tags.get(TIFF_PLANAR, 1) == 2 or (all_pages and tags.next != 0)
    return np.moveaxis(values, 0, 2) if by_planes and values.ndim == 3 else values


def _upright(values: Num[np.ndarray, "H W C"], orientation: int) -> Num[np.ndarray, "height width C"]:
    """Turn an image upright, given its EXIF orientation from 1 to 8.

    The orientation says on which sides of the picture the stored rows and columns begin: 3 is upside down, 6 and 8 are
    quarter turns, and 2, 4, 5 and 7 are the mirror images of 1, 3, 6 and 8. 5 to 8 store columns as rows.
    """
    if orientation in (5, 6, 7, 8):
        values = values.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def with_channels(image: Float[np.ndarray, "H W C"], channels: int) -> Float[np.ndarray, "H W {channels}"]:
    """Convert an image of 1 to 4 channels in [-1, 1] to gray (1), RGB (3) or RGBA (4).

    Gray is repeated for colour, and colour becomes gray by ITU-R BT.601. Alpha is dropped unless `channels` is 4; an
    image without alpha becomes opaque.
    """
    colors, alpha = split_alpha(image)
    alpha = np.ones_like(image[..., :1]) if alpha is None else alpha
    if channels == 1:
        return colors if colors.shape[2] == 1 else (colors @ _LUMA)[..., None]
    colors = np.broadcast_to(colors, (*colors.shape[:2], 3))
    return colors if channels == 3 else np.concatenate([colors, alpha], axis=2)
