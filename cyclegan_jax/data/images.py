"""Images between files, arrays and the range of the networks.

Outside the networks an image is an array (H, W, C) of uint8 with C of 1 (gray), 3 (RGB) or 4 (RGBA), or, where its file
holds more than 8 bits (`high_depth.py`), of float32 in [-1, 1]; inside they are floats in [-1, 1].
"""

import contextlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cyclegan_jax.data import high_depth
from cyclegan_jax.errors import UserError

Uint8Image = npt.NDArray[np.uint8]
AnyImage = npt.NDArray[Any]
"""uint8 in [0, 255], or float32 in [-1, 1]."""

_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
_GAP: Final = 2
"""White pixels between the images of a grid."""


def decode(encoded: bytes, channels: int, name: str) -> Uint8Image:
    """`open_picture` as an array (H, W, channels) uint8."""
    return _to_array(open_picture(encoded, channels, name))


def open_picture(encoded: bytes, channels: int | None, name: str) -> Image.Image:
    """Decode the bytes of an image file, whatever its colour mode.

    An EXIF rotation is applied; of an animation, the first frame is taken; transparency is dropped unless `channels` is
    4. A colour file of 16 bits a channel keeps the upper 8 of them.

    Args:
        encoded: the file's content: PNG, JPEG, WebP, TIFF, BMP, what else Pillow reads, or a .npy array.
        channels: 1 for gray, 3 for RGB, 4 for RGBA; None for what it has: gray or RGB, with transparency or without.
        name: the file, for messages.

    Returns:
        A picture in memory, of Pillow's mode L, RGB or RGBA, or LA where the file decides.

    Raises:
        UserError: the bytes are not a whole image, or one whose gray values do not fit in 8 bits.
    """
    if encoded.startswith(high_depth.NPY_MAGIC):
        return _from_array(high_depth.npy_values(encoded, name), channels, name)
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            mode = picture.mode
            if mode not in ("I", "F") and not mode.startswith("I;"):
                ImageOps.exif_transpose(picture, in_place=True)
                target = stored_mode(picture) if channels is None else _MODES[channels]
                # Pillow has no way from these to gray or RGB that leaves the transparency out without a warning.
                if mode in ("P", "PA") and picture.has_transparency_data:
                    return picture.convert("RGBA").convert(target)
                return picture.convert(target)
    except Image.DecompressionBombError as error:
        raise UserError(
            f"the image {name} cannot be read, as it is too large ({error}): scale it down or cut it into parts"
        ) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"the image {name} cannot be read: it is not an image, whatever its name says; replace it or take it out "
            "of the data set"
        ) from error
    except Exception as error:  # On damaged files Pillow raises types of many modules.
        raise UserError(
            f"the image {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    # Pillow would clip these values to 255, so that most of such a picture turns white.
    raise UserError(
        f"the image {name} holds 16-bit, 32-bit or float gray values (Pillow's mode {mode}), which would be clipped: "
        "state their range when training, such as --data.range_A 0 65535, or convert it to 8 bits"
    )


def _from_array(array: npt.NDArray[Any], channels: int | None, name: str) -> Image.Image:
    if array.dtype != np.uint8:
        raise UserError(
            f"the array {name} holds {array.dtype} values: state their range when training, such as "
            "--data.range_A 0 1, or store uint8"
        )
    picture = _to_pillow(np.ascontiguousarray(array))
    return picture.convert(stored_mode(picture) if channels is None else _MODES[channels])


def stored_mode(picture: Image.Image) -> str:
    """The mode among L, LA, RGB and RGBA that loses nothing of an 8-bit picture."""
    if picture.mode in ("1", "L"):
        return "LA" if picture.has_transparency_data else "L"
    if picture.mode in ("LA", "La"):
        return "LA"
    return "RGBA" if picture.has_transparency_data else "RGB"


def height_width(image: AnyImage | Image.Image) -> tuple[int, int]:
    """Height and width in pixels of an array or a picture."""
    return (image.height, image.width) if isinstance(image, Image.Image) else (image.shape[0], image.shape[1])


def resize(image: AnyImage | Image.Image, height: int, width: int, *, nearest: bool) -> AnyImage:
    """Resize as the official code does, with Pillow; floats channel by channel.

    Args:
        image: (H, W, C) uint8 or float32, C of 1, 3 or 4; or what `open_picture` gave, which saves two copies.
        height: in pixels.
        width: in pixels.
        nearest: take the nearest pixel, which makes no new colours (label maps), in place of bicubic with antialiasing
            (photos; RGBA colours of uint8 are weighted by their alpha).

    Returns:
        (height, width, C) of the same type; the array itself if it has that size.
    """
    if height_width(image) == (height, width):
        return _to_array(image) if isinstance(image, Image.Image) else image
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
    if isinstance(image, Image.Image):
        return _to_array(image.resize((width, height), method))
    if image.dtype == np.uint8:
        return _to_array(_to_pillow(image).resize((width, height), method))
    channels = [Image.fromarray(channel).resize((width, height), method) for channel in np.moveaxis(image, 2, 0)]
    return np.stack([np.asarray(channel, dtype=np.float32) for channel in channels], axis=2)


def snap_to_palette(image: Uint8Image, palette: npt.NDArray[np.uint8]) -> Uint8Image:
    """Move each pixel to the nearest colour of a palette, by Euclidean distance in RGB; of equal ones, to the first.

    Args:
        image: (..., 3) uint8.
        palette: (K, 3) uint8.

    Returns:
        uint8, the shape of `image`.
    """
    # |p - c|^2 less the |p|^2 that all colours share. The values are whole numbers below 2**24: exact in float32.
    colors = palette.astype(np.float32)
    distances = np.sum(colors**2, axis=1) - 2 * (image.astype(np.float32) @ colors.T)
    snapped: Uint8Image = palette[np.argmin(distances, axis=-1)]
    return snapped


def to_model_range(images: jax.Array, dtype: str | np.dtype[Any]) -> jax.Array:
    """Scale images for the networks, on the device; works under `jax.jit`.

    Args:
        images: uint8 in [0, 255], which becomes x / 127.5 - 1; or floats, which are taken to be in [-1, 1] already and
            only change their type.
        dtype: float32 or float64.

    Returns:
        `dtype` in [-1, 1], the shape of `images`.

    Raises:
        UserError: the images are of another type.
    """
    if images.dtype == jnp.uint8:
        # The difference is exact. After x / 127.5 - 1 as compiled, with its product by a reciprocal, 255 is above 1.
        return (images.astype(dtype) - 127.5) / 127.5
    if jnp.issubdtype(images.dtype, jnp.floating):
        return images.astype(dtype)
    raise UserError(f"images are {images.dtype}, but they must be uint8 in [0, 255] or floats in [-1, 1]")


def to_uint8(images: jax.Array | npt.NDArray[Any]) -> Uint8Image:
    """Scale what the networks made back to [0, 255], by rounding; values outside [-1, 1] are clipped.

    It undoes `to_model_range` exactly.

    Args:
        images: floats in [-1, 1], of any shape.

    Returns:
        uint8 on the host, the shape of `images`.

    Raises:
        UserError: the images are not floats, or hold NaN.
    """
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise UserError(f"images are {images.dtype}, but they must be floats in [-1, 1]")
    values = np.asarray(images, dtype=np.promote_types(images.dtype, np.float32))
    if np.isnan(values).any():
        raise UserError("the images hold NaN: the network that made them has diverged")
    return np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)


def grid(rows: Sequence[Sequence[Uint8Image]]) -> Uint8Image:
    """Lay images out in rows, with thin white gaps.

    Args:
        rows: as many images in each row, all of one height and width; (H, W, C) uint8, where gray (C = 1) turns to RGB
            and RGBA is laid on white.

    Returns:
        One (H', W', 3) uint8 picture.

    Raises:
        UserError: there is no image, or the images do not fit together.
    """
    shapes = {image.shape[:2] for row in rows for image in row}
    if len(shapes) != 1 or len({len(row) for row in rows}) != 1:
        raise UserError(
            f"a grid needs rows of as many images, all of one size, but was given rows of {[len(row) for row in rows]} "
            f"images with sizes {sorted(shapes)}"
        )
    ((height, width),) = shapes
    down, right = height + _GAP, width + _GAP
    picture = np.full((len(rows) * down - _GAP, len(rows[0]) * right - _GAP, 3), 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            picture[i * down : i * down + height, j * right : j * right + width] = to_rgb(image)
    return picture


def to_rgb(image: Uint8Image) -> Uint8Image:
    """(H, W, C) uint8 as (H, W, 3): gray three times, RGBA laid on white."""
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
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _to_pillow(image).save(partial, "PNG")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"the picture {path} cannot be written ({error}): give another folder") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _to_pillow(image: npt.NDArray[Any]) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def _to_array(picture: Image.Image) -> Uint8Image:
    array = np.asarray(picture, dtype=np.uint8)
    return array[..., None] if array.ndim == 2 else array
