"""Images of many channels, such as satellite bands: .npy arrays and TIFF files, and three of the bands as a picture.

A domain has bands if its number of channels is not that of gray, RGB or RGBA, or if each channel has a range of its own
(`DataConfig.has_bands`). Its files must hold exactly its channels, none of which is alpha or converted.
"""

import io
from typing import Any, Final

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image, UnidentifiedImageError

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import decode_16bit
from cyclegan_jax.data.images import FORMATS
from cyclegan_jax.errors import UserError

MOST: Final = 64
"""The largest number of channels."""
_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339  # tags; of the second, 2 is signed


def decode_bands(encoded: bytes, config: DataConfig, domain: Domain, name: str) -> Num[np.ndarray, "H W channels"]:
    """Decode an image of a domain with bands.

    Args:
        encoded: the file's content: a .npy array (H, W, channels), a TIFF with one band per page or several in
            one page, or any image of as many channels.
        config: the domain's number of channels, and their ranges.
        domain: the domain of the image.
        name: the file, for error messages.

    Returns:
        float32 in [-1, 1], or uint8 where the config states no range.

    Raises:
        UserError: the file cannot be read, has another number of channels, or holds values outside the range.
    """
    return scaled(stored_bands(encoded, name), config, domain, f"the image {name}")


def stored_bands(encoded: bytes, name: str) -> Num[np.ndarray, "H W C"]:
    """Return the values of a file as stored, in any dtype; the pages of a TIFF are its channels.

    Raises:
        UserError: the file cannot be read, or its pages differ in size or kind.
    """
    if encoded.startswith(decode_16bit.NPY_MAGIC):
        return decode_16bit.npy_values(encoded, name, most_channels=MOST)
    if not encoded.startswith(decode_16bit.TIFF_MAGIC):
        return decode_16bit.stored_values(encoded, name)
    try:
        tags = decode_16bit.tiff_tags(io.BytesIO(encoded))
        if tags.get(_SAMPLE_FORMAT, (1,))[0] == 2 and tags.get(_BITS_PER_SAMPLE, (1,))[0] == 8:
            # Pillow reads them as unsigned.
            raise UserError(f"the image {name} holds signed integers of 8 bits, which are not read: store 16 bits")
        # Pillow reads samples plane by plane of pictures only.
        by_planes = tags.get(decode_16bit.TIFF_PLANAR, 1) == 2
        pages = [_samples(encoded, name)] if by_planes else _tiff_pages(encoded, name)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise UserError(
            f"the image {name} has too many pixels ({error}): scale it down or cut it into parts; only images without "
            "bands are read by windows"
        ) from error
    except UnidentifiedImageError:  # such as one page of more than four channels
        pages = [_samples(encoded, name)]
    except Exception as error:  # For damaged files Pillow raises exceptions of many modules.
        raise UserError(
            f"the image {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    if len(pages) == 1:
        return np.atleast_3d(pages[0])
    kinds = {(page.shape, page.dtype) for page in pages}
    if len(kinds) > 1 or pages[0].ndim != 2:
        raise UserError(
            f"the image {name} has {len(pages)} pages that are not gray images of one size and dtype, but its pages "
            "are its channels: store one band per page, or a .npy array (height, width, channels)"
        )
    return np.stack(pages, axis=2)


def _tiff_pages(encoded: bytes, name: str) -> list[Num[np.ndarray, "..."]]:
    """The pages of a TIFF file that Pillow reads; of one alone, all bits."""
    with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
        number = getattr(picture, "n_frames", 1)
        if number == 1:
            return [decode_16bit.stored_values(encoded, name)]
        pages = []
        for page in range(number):
            picture.seek(page)
            pages.append(np.asarray(picture))
        return pages


def _samples(encoded: bytes, name: str) -> Num[np.ndarray, "H W C"]:
    """The values of a TIFF file that Pillow does not read, such as one page of more than four channels."""
    try:
        values = decode_16bit.all_bits(encoded, "TIFF", name, all_pages=True)
    except UserError:
        raise
    except Exception as error:  # imagecodecs raises exceptions of many modules
        raise UserError(
            f"the image {name} cannot be read ({error}): replace it or take it out of the data set"
        ) from error
    if values.ndim not in (2, 3) or values.dtype.kind not in "uif":
        raise UserError(
            f"the image {name} is {values.dtype} of shape {values.shape}, but bands are one page each, or the samples "
            "of one page, of integers or floats"
        )
    return np.atleast_3d(values)


def scaled(
    values: Num[np.ndarray, "H W C"], config: DataConfig, domain: Domain, subject: str
) -> Num[np.ndarray, "H W C"]:
    """Scale each band from its range to [-1, 1] as float32; uint8 stays as it is where the config states no range.

    Args:
        values: as stored.
        config: the domain's number of channels, and their ranges.
        domain: the domain of the image.
        subject: the image as the subject of error messages, such as "the image a.npy".

    Raises:
        UserError: there are more or fewer channels, a value is outside its range, or a range is missing.
    """
    channels, ranges = config.channels(domain), config.band_ranges(domain)
    if values.shape[2] != channels:
        raise UserError(
            f"{subject} has {values.shape[2]} channels, but data.channels_{domain} is {channels}: bands are not "
            "converted, so give files of as many"
        )
    if ranges is None:
        if values.dtype != np.uint8:
            raise UserError(
                f"{subject} holds {values.dtype} values: state their range when training, such as "
                f"--data.range_{domain} 0 10000, or store uint8"
            )
        return np.ascontiguousarray(values)
    out = np.empty(values.shape, np.float32)
    for band, limits in enumerate(ranges):
        one, field = values[..., band : band + 1], f"data.range_{domain}"
        out[..., band : band + 1] = decode_16bit.scale(one, limits, f"band {band + 1} of {subject}", field=field)
    return out


def unscaled(
    pixels: Num[np.ndarray, "H W C"], config: DataConfig, domain: Domain, dtype: np.dtype[Any]
) -> Num[np.ndarray, "H W C"]:
    """Scale bands in [-1, 1] to their ranges, clipped, as values of `dtype`."""
    ranges = config.band_ranges(domain) or ((0.0, 255.0),) * config.channels(domain)
    low, high = np.array(ranges).T
    values = np.clip((pixels.astype(np.float64) + 1) / 2 * (high - low) + low, low, high)
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def picture(image: UInt8[np.ndarray, "*N H W C"], config: DataConfig, domain: Domain) -> UInt8[np.ndarray, "*N H W D"]:
    """Return images that pictures can show: bands `data.bands_A` as RGB; all others as they are."""
    if not config.has_bands(domain):
        return image
    chosen = config.shown_bands(domain)
    return np.ascontiguousarray(image[..., [band - 1 for band in chosen]])
