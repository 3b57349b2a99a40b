"""Converting users' images, Pillow pictures and arrays of any kind, to the networks' arrays and back.

Whatever the generator does not handle is kept aside and put back: transparency where the model was trained without it,
and whether the image came as a picture or an array.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Float32
from PIL import Image, ImageOps

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import bands, decode_16bit
from cyclegan_jax.data.decode import stored_mode
from cyclegan_jax.data.images import to_uint8
from cyclegan_jax.errors import UserError

Array: TypeAlias = npt.NDArray[Any]
UserImage: TypeAlias = Image.Image | Array
"""A Pillow picture; or (H, W) or (H, W, C), gray, gray and alpha, RGB or RGBA: uint8, or what a stated range covers.

Of a domain with bands, (H, W, bands)."""


@dataclass(frozen=True)
class ModelImage:
    """An image as a generator takes it.

    Attributes:
        pixels: in [-1, 1], with the domain's channels.
        alpha: in [0, 1], where the image has transparency and the domain has not.
        is_picture: whether it came as a Pillow picture.
        is_flat: whether it came as an array (H, W).
    """

    pixels: Float32[np.ndarray, "H W C"]
    alpha: Float32[np.ndarray, "H W 1"] | None
    is_picture: bool
    is_flat: bool


def to_model(image: UserImage, config: DataConfig, domain: Domain, name: str = "the image") -> ModelImage:
    """Scale an image of a domain, and give it the channels that the networks take.

    Args:
        image: a picture is turned upright by its EXIF rotation, if any.
        config: the data config that the model was trained with: channels and value range.
        domain: the domain of the image.
        name: what error messages call the image.

    Raises:
        UserError: it is not an image, or its values are not of the kind that the model was trained with.
    """
    is_picture = isinstance(image, Image.Image)
    values = _picture_values(image) if isinstance(image, Image.Image) else np.asarray(image)
    most = bands.MOST if config.has_bands(domain) else 4
    if values.ndim not in (2, 3) or values.size == 0 or (values.ndim == 3 and values.shape[2] > most):
        raise UserError(
            f"{name} has the shape {values.shape}, but an image is (height, width), or (height, width, channels) with "
            f"1 to {most} channels"
        )
    is_flat = values.ndim == 2
    values = values[..., None] if is_flat else values
    if config.has_bands(domain):
        pixels = bands.scaled(values, config, domain, name)
        pixels = (pixels.astype(np.float32) - 127.5) / 127.5 if pixels.dtype == np.uint8 else pixels
        return ModelImage(pixels, None, is_picture, is_flat)
    limits = config.value_range(domain)
    scaled: Float[np.ndarray, "H W D"]
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


def from_model(pixels: Float[np.ndarray, "H W C"], source: ModelImage, config: DataConfig, domain: Domain) -> UserImage:
    """Convert a generator's output to the kind of the image it was made from, with that image's transparency.

    Args:
        pixels: in [-1, 1], of the other domain.
        source: the image it was made from.
        config: the data config that the model was trained with.
        domain: the domain of `pixels`.

    Returns:
        uint8 where the config states no range of the domain, otherwise values in it of the dtype `output_type`. Bands
        are an array without transparency, whatever they were made from.

    Raises:
        UserError: a picture was given, but Pillow cannot hold the result.
    """
    if config.has_bands(domain):
        return bands.unscaled(pixels, config, domain, output_type(config, domain))
    if source.alpha is not None and pixels.shape[2] != 4:
        pixels = np.concatenate([pixels, source.alpha.astype(pixels.dtype) * 2 - 1], axis=2)
    limits = config.value_range(domain)
    values = to_uint8(pixels) if limits is None else _in_range(pixels, limits)
    if values.shape[2] == 1 and (source.is_flat or source.is_picture):
        values = values[..., 0]
    return _to_picture(values) if source.is_picture else values


def each(images: UserImage, do: Callable[[list[UserImage]], list[UserImage]]) -> UserImage:
    """Apply a function of a list to one image, or an array (N, H, W, C); returns that kind."""
    if not isinstance(images, Image.Image) and np.ndim(images) == 4:
        return np.stack([np.asarray(image) for image in do(list(images))]) if len(images) else images
    return do([images])[0]


def _picture_values(picture: Image.Image) -> Array:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        return np.asarray(picture)
    return np.asarray(picture.convert(stored_mode(picture)))


def output_type(config: DataConfig, domain: Domain) -> np.dtype[Any]:
    """The dtype of translated images of a domain: the smallest that holds the values of its range, or of all ranges."""
    return np.result_type(*(_type_of(limits) for limits in config.band_ranges(domain) or ((0.0, 255.0),)))


def _type_of(limits: tuple[float, float]) -> np.dtype[Any]:
    low, high = map(float, limits)
    # A range of 0 to 1 means fractions, not the two whole numbers.
    whole = low.is_integer() and high.is_integer() and low >= 0 and 1 < high <= np.iinfo(np.uint16).max
    if not whole:
        return np.dtype(np.float32)
    return np.dtype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


def _in_range(pixels: Float[np.ndarray, "H W C"], limits: tuple[float, float]) -> Array:
    kind = _type_of(limits)
    colors, alpha = decode_16bit.split_alpha(pixels)
    parts = [_scaled(colors, limits, kind)]
    if alpha is not None:
        parts.append(_scaled(alpha, (0, decode_16bit.opaque_alpha(kind)), kind))
    return np.concatenate(parts, axis=2)


def _scaled(pixels: Float[np.ndarray, "H W C"], limits: tuple[float, float], kind: np.dtype[Any]) -> Array:
    low, high = limits
    values = (pixels.astype(np.float64) + 1) / 2 * (high - low) + low
    return np.clip(values if kind == np.float32 else np.rint(values), low, high).astype(kind)


def _to_picture(values: Array) -> Image.Image:
    if values.dtype == np.uint8 or values.ndim == 2:
        return Image.fromarray(values)
    raise UserError(
        f"Pillow has no picture of {values.shape[2]} channels of {values.dtype}: pass arrays, and arrays are returned"
    )
