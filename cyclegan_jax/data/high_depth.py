"""Images of more than 8 bits a channel, scaled by a range that the user states.

Scans, satellite images and depth maps hold 16-bit or float values, of which no rule says what is black and what white.
`data.range_A` and `data.range_B` do; a value outside them is an error, since clipping it would lose what it says.
"""

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from cyclegan_jax.errors import UserError

FloatImage = npt.NDArray[np.float32]
Values = npt.NDArray[Any]

NPY_MAGIC: Final = b"\x93NUMPY"
"""How the content of a .npy file begins."""

_LUMA: Final = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow's own conversion to gray
_PLAIN_MODES: Final = {"1": "L", "P": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}
_PNG_DEPTH: Final = 24  # the byte of a PNG's header that holds its bits a channel
_TIFF_BITS_PER_SAMPLE: Final = 258
_EXIF_ORIENTATION: Final = 274


def decode_scaled(
    encoded: bytes, channels: int, limits: tuple[float, float], name: str, *, field: str = "data.range_A"
) -> FloatImage:
    """Decode an image file or a .npy array, and scale its values as they are stored from `limits` to [-1, 1].

    An EXIF rotation is applied. Gray becomes colour by repeating it, colour gray by ITU-R 601; transparency is dropped
    unless `channels` is 4, and where it is missing there, the image is opaque.

    Args:
        encoded: the file's content.
        channels: 1 for gray, 3 for RGB, 4 for RGBA.
        limits: the lowest and the highest value that the data set has.
        name: the file, for messages.
        field: where the limits were stated, for messages.

    Returns:
        (H, W, channels) float32 in [-1, 1].

    Raises:
        UserError: the file cannot be read, or holds NaN or a value outside the limits.
    """
    return with_channels(scale(stored_values(encoded, name), limits, name, field=field), channels).astype(np.float32)


def scale(values: Values, limits: tuple[float, float], name: str, *, field: str) -> npt.NDArray[np.float64]:
    """Scale values from `limits` to [-1, 1], clipping nothing; the arguments are those of `decode_scaled`.

    Raises:
        UserError: there is NaN, or a value outside the limits.
    """
    low, high = limits
    if values.dtype == np.float32:
        # In a float32 file the limits are the nearest float32 numbers, which may lie outside the stated ones.
        low, high = float(np.float32(low)), float(np.float32(high))
    values = values.astype(np.float64)
    # Transparency has a range of its own only in name: it is stored like the colours.
    smallest, largest = float(values.min()), float(values.max())
    if not (low <= smallest and largest <= high):
        found = "NaN" if np.isnan(values).any() else f"values from {smallest:g} to {largest:g}"
        raise UserError(
            f"the image {name} holds {found}, but {field} states {low:g} to {high:g}: state the range of the whole "
            "data set"
        )
    scaled: npt.NDArray[np.float64] = (values - low) * (2 / (high - low)) - 1
    return scaled


def stored_values(encoded: bytes, name: str) -> Values:
    """The values of an image as its file holds them, upright: (H, W, C) of C from 1 to 4, of any type of number.

    Raises:
        UserError: they cannot be read.
    """
    if encoded.startswith(NPY_MAGIC):
        return npy_values(encoded, name)
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
            if _pillow_keeps_all_bits(picture, encoded):
                values = np.asarray(picture.convert(_PLAIN_MODES.get(picture.mode, picture.mode)))
            else:
                values = _all_bits(encoded, picture.format, name)
    except UserError:
        raise
    except Exception as error:  # On damaged files the libraries raise types of many modules.
        raise UserError(
            f"the image {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    values = values[..., None] if values.ndim == 2 else values
    return _upright(values, orientation)


def npy_values(encoded: bytes, name: str) -> Values:
    """The array of a .npy file as (H, W, C), where it may be (H, W).

    Raises:
        UserError: it is damaged, or its shape or its type is not an image's.
    """
    try:
        array = np.load(io.BytesIO(encoded), allow_pickle=False)
    except Exception as error:
        raise UserError(
            f"the array {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or array.size == 0 or array.dtype.kind not in "uif":
        raise UserError(
            f"the array {name} is {array.dtype} of shape {array.shape}, but an image is (height, width) or (height, "
            "width, channels) with 1 to 4 channels, of whole numbers or floats"
        )
    return array


def _pillow_keeps_all_bits(picture: Image.Image, encoded: bytes) -> bool:
    """Pillow reads gray of any depth, but of 16-bit colour the upper 8 bits."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return True
    if picture.format == "PNG":
        return encoded[_PNG_DEPTH] <= 8
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return max(bits) <= 8
    return True


def _all_bits(encoded: bytes, kind: str | None, name: str) -> Values:
    try:
        import imagecodecs
    except ImportError as error:
        raise UserError(
            f"the image {name} holds 16 bits a colour channel, for which the package imagecodecs is needed: "
            "pip install 'cyclegan-jax[highdepth]'"
        ) from error
    decode = imagecodecs.png_decode if kind == "PNG" else imagecodecs.tiff_decode
    values: Values = decode(encoded)
    return values


def _upright(values: Values, orientation: int) -> Values:
    """Undo the rotation that an EXIF orientation, from 1 to 8, describes."""
    if orientation in (5, 6, 7, 8):
        values = values.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def with_channels(image: npt.NDArray[np.floating[Any]], channels: int) -> npt.NDArray[np.floating[Any]]:
    """Gray, RGB or RGBA of (H, W, C) in [-1, 1], C from 1 to 4; see `decode_scaled`."""
    alpha = image[..., -1:] if image.shape[2] in (2, 4) else np.ones_like(image[..., :1])
    colors = image[..., : 1 if image.shape[2] <= 2 else 3]
    if channels == 1:
        return colors if colors.shape[2] == 1 else (colors @ _LUMA)[..., None]
    colors = np.broadcast_to(colors, (*colors.shape[:2], 3))
    return colors if channels == 3 else np.concatenate([colors, alpha], axis=2)
