"""Between the images that users hold and those that the networks take: pictures and arrays of any kind.

What a generator does not know of is carried over: transparency where it was trained without, the kind of the container.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import decode_16bit
from cyclegan_jax.data.decode import stored_mode
from cyclegan_jax.data.images import to_uint8
from cyclegan_jax.errors import UserError

Array: TypeAlias = npt.NDArray[Any]
UserImage: TypeAlias = Image.Image | Array
"""A Pillow picture; or (H, W) or (H, W, C), gray, gray and alpha, RGB or RGBA: uint8, or what a stated range covers."""


@dataclass(frozen=True)
class ModelImage:
    """An image as a generator takes it.

    Attributes:
        pixels: (H, W, C) float32 in [-1, 1], C the domain's channels.
        alpha: (H, W, 1) float32 in [0, 1], where the image has transparency and the domain has not.
        is_picture: whether it came as a Pillow picture.
        is_flat: whether it came as an array (H, W).
    """

    pixels: npt.NDArray[np.float32]
    alpha: npt.NDArray[np.float32] | None
    is_picture: bool
    is_flat: bool


def to_model(image: UserImage, config: DataConfig, domain: Domain, name: str = "the image") -> ModelImage:
    """An image of a domain, scaled and with the channels for the networks.

    Args:
        image: upright once its EXIF rotation, if any, is applied.
        config: the data config that the model was trained with: channels and value range.
        domain: which domain it is of.
        name: for messages.

    Raises:
        UserError: it is no image, or its values are not of the kind that the model was trained with.
    """
    is_picture = isinstance(image, Image.Image)
    values = _picture_values(image) if isinstance(image, Image.Image) else np.asarray(image)
    if values.ndim not in (2, 3) or values.size == 0 or (values.ndim == 3 and values.shape[2] > 4):
        raise UserError(
            f"{name} has the shape {values.shape}, but an image is (height, width), or (height, width, channels) with "
            "1 to 4 channels"
        )
    is_flat = values.ndim == 2
    values = values[..., None] if is_flat else values
    limits = config.value_range(domain)
    scaled: npt.NDArray[np.floating[Any]]
    if limits is not None:
        scaled = decode_16bit.scale(values, limits, name, field=f"data.range_{domain}")
    elif values.dtype == np.uint8:
        scaled = (values.astype(np.float32) - 127.5) / 127.5
    else:
        raise UserError(
            f"{name} holds {values.dtype} values, but this model was trained on 8-bit images of domain {domain}: "
            "convert it to uint8; floats in [-1, 1] go to generator(images)"
        )
    channels = config.channels(domain)
    has_alpha = scaled.shape[2] in (2, 4) and channels != 4
    alpha = ((scaled[..., -1:] + 1) / 2).astype(np.float32) if has_alpha else None
    pixels = decode_16bit.with_channels(scaled, channels).astype(np.float32)
    return ModelImage(pixels, alpha, is_picture, is_flat)


def from_model(
    pixels: npt.NDArray[np.floating[Any]], source: ModelImage, config: DataConfig, domain: Domain
) -> UserImage:
    """What a generator made of `source`, as the user holds images: of the same kind, with its transparency.

    Args:
        pixels: (H, W, C) floats in [-1, 1], of the other domain.
        source: what it was made of.
        config: the data config: uint8 where the domain's range is not stated, else whole numbers or floats in it.
        domain: the domain of `pixels`.
    """
    if source.alpha is not None and pixels.shape[2] != 4:
        pixels = np.concatenate([pixels, source.alpha.astype(pixels.dtype) * 2 - 1], axis=2)
    limits = config.value_range(domain)
    values = to_uint8(pixels) if limits is None else _in_range(pixels, limits)
    if values.shape[2] == 1 and (source.is_flat or source.is_picture):
        values = values[..., 0]
    return _to_picture(values) if source.is_picture else values


def each(
    images: UserImage | list[UserImage], do: Callable[[list[UserImage]], list[UserImage]]
) -> UserImage | list[UserImage]:
    """Apply a function of a list to one image, to a list of them, or to an array (N, H, W, C) of them."""
    if isinstance(images, list | tuple):
        return do(list(images))
    if not isinstance(images, Image.Image) and np.ndim(images) == 4:
        return np.stack([np.asarray(image) for image in do(list(images))]) if len(images) else images
    return do([images])[0]


def _picture_values(picture: Image.Image) -> Array:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return np.asarray(picture)
    return np.asarray(picture.convert(stored_mode(picture)))


def output_type(limits: tuple[float, float] | None) -> np.dtype[Any]:
    """The type of what a generator makes of a domain with this stated range: of whole numbers the one that holds it."""
    if limits is None:
        return np.dtype(np.uint8)
    low, high = map(float, limits)
    # A range of 0 to 1 means fractions.
    whole = low.is_integer() and high.is_integer() and low >= 0 and 1 < high <= np.iinfo(np.uint16).max
    if not whole:
        return np.dtype(np.float32)
    return np.dtype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


def _in_range(pixels: npt.NDArray[np.floating[Any]], limits: tuple[float, float]) -> Array:
    low, high = limits
    kind = output_type(limits)
    values = (pixels.astype(np.float64) + 1) / 2 * (high - low) + low
    return np.clip(values if kind == np.float32 else np.rint(values), low, high).astype(kind)


def _to_picture(values: Array) -> Image.Image:
    if values.dtype == np.uint8 or values.ndim == 2:
        return Image.fromarray(values)
    raise UserError(
        f"Pillow has no picture of {values.shape[2]} channels of {values.dtype}: give arrays, and arrays come back"
    )
