"""Images as arrays: their types, the value range of the networks, picture grids, PNG files.

Outside the networks an image is (H, W, C) with C of 1 (gray), 3 (RGB) or 4 (RGBA), or of bands (`bands.py`): uint8 in
[0, 255], or, where its file holds more than 8 bits (`decode_16bit.py`), float32 in [-1, 1]. Inside the networks images
are floats in [-1, 1].
"""

from pathlib import Path
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jaxtyping import Array, Float, Num, Shaped, UInt8
from PIL import Image

from cyclegan_jax.errors import UserError
from cyclegan_jax.files import replacing

Uint8Image = npt.NDArray[np.uint8]
AnyImage = npt.NDArray[Any]
"""uint8 in [0, 255], or float32 in [-1, 1]."""

FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "JPEG2000", "AVIF", "PPM")
"""Pillow's formats that are read; any other is refused, whatever a file's name says.

Pillow reads EPS by starting Ghostscript on it, and holds readers of many rare formats that nobody checks for attacks.
"""
_GAP: Final = 2
"""White pixels between the images of a grid."""


def to_model_range(images: Shaped[Array, "..."], dtype: str | np.dtype[Any]) -> Float[Array, "..."]:
    """Scale images to the range of the networks, on the device; works under `jax.jit`.

    Args:
        images: uint8 in [0, 255], which becomes x / 127.5 - 1; or floats that are in [-1, 1] already, of which only the
            dtype changes.
        dtype: float32 or float64.

    Returns:
        `dtype` in [-1, 1], the shape of `images`.

    Raises:
        UserError: the images are neither uint8 nor floats.
    """
    if images.dtype == jnp.uint8:
        # x - 127.5 is exact in float32. XLA compiles x / 127.5 - 1 to a product with a rounded reciprocal, which takes
        # 255 to a value above 1.
        return (images.astype(dtype) - 127.5) / 127.5
    if jnp.issubdtype(images.dtype, jnp.floating):
        return images.astype(dtype)
    raise UserError(f"images are {images.dtype}, but they must be uint8 in [0, 255] or floats in [-1, 1]")


def to_uint8(images: Shaped[Array | np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Scale outputs of the networks to [0, 255] and round; values outside [-1, 1] are clipped.

    This is the exact inverse of `to_model_range` on every uint8 value.

    Args:
        images: floats in [-1, 1], of any shape.

    Returns:
        uint8 on the host, the shape of `images`.

    Raises:
        UserError: the images are not floats, or hold NaN.
    """
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise UserError(f"images are {images.dtype}, but they must be floats in [-1, 1]")
    # At least float32: (x + 1) * 127.5 itself would be rounded to steps of 1 in bfloat16 and of 1/8 in float16.
    values = np.asarray(images, dtype=np.promote_types(images.dtype, np.float32))
    if np.isnan(values).any():
        raise UserError("the images hold NaN: the network that made them has diverged")
    return np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)


def to_rgb(image: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H W 3"]:
    """Convert to RGB: gray is repeated three times, RGBA is composited onto white."""
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        return np.rint(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.broadcast_to(image, (*image.shape[:2], 3))


def save_png(path: str | Path, image: Uint8Image) -> None:
    """Write an image (H, W, C), uint8 with C of 1, 3 or 4, as a PNG: nobody ever sees half a file.

    Raises:
        UserError: the file cannot be written.
    """
    path = Path(path)
    try:
        with replacing(path) as temporary:
            to_pillow(image).save(temporary, "PNG")
    except OSError as error:
        raise UserError(f"the picture {path} cannot be written ({error}): give another folder") from error


def height_width(image: Num[np.ndarray, "H W C"] | Image.Image) -> tuple[int, int]:
    """Return height and width in pixels of an array or a Pillow picture."""
    return (image.height, image.width) if isinstance(image, Image.Image) else (image.shape[0], image.shape[1])


def to_pillow(image: UInt8[np.ndarray, "H W C"]) -> Image.Image:
    """Convert an array of 1, 2, 3 or 4 channels to a Pillow picture of mode L, LA, RGB or RGBA."""
    # Pillow has no one-channel pictures with a third axis.
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def to_array(picture: Image.Image) -> UInt8[np.ndarray, "H W C"]:
    """Convert an 8-bit Pillow picture to an array, with a channel axis for gray too."""
    array = np.asarray(picture, dtype=np.uint8)
    return array[..., None] if array.ndim == 2 else array
