"""Reading a user's image files and writing translated ones, with transparency, 16 bits and floats."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Shaped, UInt16
from PIL import Image

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import bands, decode_16bit
from cyclegan_jax.data.decode import open_picture
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from cyclegan_jax.files import UnreadableError, read_bytes
from cyclegan_jax.inference import user_images

Values: TypeAlias = Shaped[np.ndarray, "H W"] | Shaped[np.ndarray, "H W C"]
"""The pixels of an image file."""
TIFF: Final = (".tif", ".tiff")
"""Suffixes of bands, one per page; other results have no such suffix."""
_QUALITY = 95
"""Of JPEG and WebP."""


def read(file: Path, config: DataConfig, domain: Domain, max_size: int | None = None) -> Values:
    """Read an image file, turned upright: with its transparency, and all its bits where the domain states a range.

    Args:
        file: the image.
        config: the data config that the model was trained with.
        domain: the domain of the image; label maps are scaled without making new colours.
        max_size: a longer side is scaled down to this many pixels.

    Returns:
        uint8, or the dtype in the file where the domain states a range.

    Raises:
        UserError: the file cannot be read, or its values are not of the kind that the model was trained with.
    """
    try:
        encoded = read_bytes(file)
    except UnreadableError as error:
        raise UserError(f"the image {error}") from error
    has_bands = config.has_bands(domain)
    if config.value_range(domain) is None and not has_bands:
        values: npt.NDArray[Any] = np.asarray(open_picture(encoded, None, str(file)))
    else:
        read_values = bands.stored_bands if has_bands else decode_16bit.stored_values
        values = read_values(encoded, str(file))
        # Values outside the range raise here, where only this file is skipped, and not later for a whole batch.
        user_images.to_model(values, config, domain, f"the image {file}")
    return scaled_down(values, max_size, nearest=config.labels == domain, has_bands=has_bands)


@contextlib.contextmanager
def writing_together() -> Iterator[Callable[[Path, Values], None]]:
    """Yield `write(path, values)`, which writes an image in the format of the path's suffix.

    The images are at their paths, and on the disk, when the block ends; each older file is replaced at once. Folders
    are created. Transparency, which JPEG cannot hold, is laid on white there. A TIFF has one page per channel. Values
    are uint8, uint16 or float32.

    Raises:
        UserError: an image cannot be written.
    """
    path = Path()

    def write(target: Path, values: Values) -> None:
        nonlocal path
        path = target
        encoded = _encode(values, path.suffix)
        files.make_folder(path.parent)
        write_bytes(path, encoded)

    try:
        with files.writing_together() as write_bytes:
            yield write
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}): give another --output") from error


def scaled_size(size: tuple[int, int], max_size: int | None) -> tuple[int, int]:
    """The height and width of an image of this size after `scaled_down`."""
    if max_size is None or max(size) <= max_size:
        return size
    height, width = (max(1, round(side * (max_size / max(size)))) for side in size)
    return height, width


def scaled_down(
    values: npt.NDArray[Any], max_size: int | None, *, nearest: bool = False, has_bands: bool = False
) -> npt.NDArray[Any]:
    """Scale pixels (H, W) or (H, W, C) down so that no side is longer than `max_size`; None keeps their size.

    Args:
        values: uint8, or of any dtype that float32 holds; the result has the same one, and stays in their range.
        max_size: in pixels.
        nearest: whether to make no new values, as for label maps.
        has_bands: whether the channels are bands, of which none is alpha.
    """
    height, width = values.shape[:2]
    size = scaled_size((height, width), max_size)
    if size == (height, width):
        return values
    flat = values.ndim == 2
    values = values[..., None] if flat else values
    dtype = values.dtype
    if dtype == np.uint8:
        values = resize(values, *size, nearest=nearest, bands=has_bands)
    else:
        # Bicubic interpolation overshoots at edges; uint16 would wrap around, and a stated range would be left.
        bands_or_parts = np.split(values, values.shape[2], 2) if has_bands else decode_16bit.split_alpha(values)
        parts = [part for part in bands_or_parts if part is not None]
        scaled = [
            np.clip(resize(part.astype(np.float32), *size, nearest=nearest), part.min(), part.max()) for part in parts
        ]
        values = np.concatenate(scaled, axis=2).astype(dtype)
    return values[..., 0] if flat else values


def _encode(values: Shaped[np.ndarray, "..."], suffix: str) -> bytes:
    stream = io.BytesIO()
    if suffix == ".npy":
        np.save(stream, values)
        return stream.getvalue()
    if suffix.lower() in TIFF:
        pages = [Image.fromarray(page) for page in np.moveaxis(np.atleast_3d(values), 2, 0)]
        pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
        return stream.getvalue()
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.dtype != np.uint8:
        return _encode_16bit_png(values)
    picture = Image.fromarray(values)
    kind = suffix.lower().lstrip(".")
    if kind in ("jpg", "jpeg"):
        if picture.mode in ("LA", "RGBA"):
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
        picture.save(stream, "JPEG", quality=_QUALITY)
    elif kind == "webp":
        picture.save(stream, "WEBP", quality=_QUALITY)
    else:
        picture.save(stream, "PNG")
    return stream.getvalue()


def _encode_16bit_png(values: UInt16[np.ndarray, "..."]) -> bytes:
    if values.ndim == 2:
        stream = io.BytesIO()
        Image.fromarray(values).save(stream, "PNG")
        return stream.getvalue()
    # Pillow writes 16 bits for gray only.
    try:
        import imagecodecs
    except ImportError as error:
        raise UserError(
            "16 bits a colour channel need the package imagecodecs: pip install 'cyclegan-jax[highdepth]'"
        ) from error
    return bytes(imagecodecs.png_encode(values))
