"""Image files of 8 bits per channel to pixels, whatever their format and colour mode."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Num, Shaped, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import bands, decode_16bit
from cyclegan_jax.data.dataset import Example
from cyclegan_jax.data.images import FORMATS, to_array, to_pillow
from cyclegan_jax.errors import UserError

_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}


def decode_example(
    example: Example, config: DataConfig, domain: Domain
) -> Image.Image | Num[np.ndarray, "H W channels"]:
    """Decode an image of a data set in its stored size.

    Returns:
        A Pillow picture of 8 bits per channel; or, where `data.range_A` (or B) gives the domain's value range, an array
        in [-1, 1]; an array of uint8 where the domain has bands of 8 bits.

    Raises:
        UserError: the image cannot be read.
    """
    if config.has_bands(domain):
        return bands.decode_bands(example.encoded, config, domain, example.name)
    limits = config.value_range(domain)
    if limits is None:
        return open_picture(example.encoded, config.channels(domain), example.name)
    field = f"data.range_{domain}"
    return decode_16bit.decode_scaled(example.encoded, config.channels(domain), limits, example.name, field=field)


def decode(encoded: bytes, channels: int, name: str) -> UInt8[np.ndarray, "H W {channels}"]:
    """Decode an image file to an array; arguments and errors are those of `open_picture`."""
    return to_array(open_picture(encoded, channels, name))


def is_whole(path: Path) -> bool:
    """Whether a file holds an image that can be decoded to its last pixel; False where there is no file.

    A power failure can leave an empty file, or the first part of one, if the program that wrote it flushed nothing.

    Raises:
        UnreadableError: the file is there, but cannot be read.
    """
    if not files.is_file(path):
        return False
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise files.UnreadableError(path, error) from error
    try:
        bands.stored_bands(encoded, str(path))
    except UserError:
        return False
    return True


def open_picture(encoded: bytes, channels: int | None, name: str) -> Image.Image:
    """Decode an image file to a Pillow picture.

    An EXIF rotation is applied. Of an animation, the first frame is read. Transparency is dropped unless `channels` is
    4. Of 16-bit colours, Pillow keeps the upper 8 bits.

    Args:
        encoded: the file's content: one of `images.FORMATS`; or a .npy array of uint8.
        channels: 1 for gray, 3 for RGB, 4 for RGBA; None keeps gray or colour, and transparency, as the file has them.
        name: the file, for error messages.

    Returns:
        A picture in memory of mode L, RGB or RGBA; with `channels=None` also of mode LA.

    Raises:
        UserError: the content is not a whole image, or its values do not fit in 8 bits.
    """
    if encoded.startswith(decode_16bit.NPY_MAGIC):
        return _from_array(decode_16bit.npy_values(encoded, name), channels, name)
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            mode = picture.mode
            if mode not in ("I", "F") and not mode.startswith("I;"):
                return _convert(picture, channels)
    except Image.DecompressionBombError as error:
        raise decode_16bit.too_large(name, error) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"the image {name} cannot be read: it is not an image in one of the formats {', '.join(FORMATS)}, whatever "
            "its name says; replace it or take it out of the data set"
        ) from error
    except Exception as error:  # For damaged files Pillow raises exceptions of many modules, even SyntaxError.
        raise UserError(
            f"the image {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    # Pillow converts these modes to 8 bits by clipping at 255, which turns most of such a picture white.
    raise UserError(
        f"the image {name} holds 16-bit, 32-bit or float gray values (Pillow's mode {mode}), which would be clipped: "
        "state their range when training, such as --data.range_A 0 65535, or convert it to 8 bits"
    )


def stored_mode(picture: Image.Image) -> str:
    """Return the mode among L, LA, RGB and RGBA that keeps everything an 8-bit picture holds."""
    if picture.mode in ("1", "L"):
        return "LA" if picture.has_transparency_data else "L"
    if picture.mode in ("LA", "La"):
        return "LA"
    return "RGBA" if picture.has_transparency_data else "RGB"


def _convert(picture: Image.Image, channels: int | None) -> Image.Image:
    # Cameras store the pixels as the sensor read them, often sideways; EXIF orientation says how to turn them upright.
    ImageOps.exif_transpose(picture, in_place=True)
    target = stored_mode(picture) if channels is None else _MODES[channels]
    if picture.mode in ("P", "PA") and picture.has_transparency_data:
        # Straight from a palette with transparency to gray or RGB, Pillow warns; by way of RGBA it does not.
        return picture.convert("RGBA").convert(target)
    return picture.convert(target)


def _from_array(array: Shaped[np.ndarray, "H W C"], channels: int | None, name: str) -> Image.Image:
    if array.dtype != np.uint8:
        raise UserError(
            f"the array {name} holds {array.dtype} values: state their range when training, such as "
            "--data.range_A 0 1, or store uint8"
        )
    pixels: np.ndarray[Any, Any] = np.ascontiguousarray(array)
    picture = to_pillow(pixels)
    return picture.convert(stored_mode(picture) if channels is None else _MODES[channels])
