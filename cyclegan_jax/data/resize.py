"""Resizing images, and the sizes that the preprocess modes of the official code (`data.preprocess`) ask for.

XLA compiles a program for arrays of a fixed shape. In the modes without a crop, where images keep sizes of their own,
all training images of a domain must therefore have one size.
"""

import numpy as np
from jaxtyping import Num
from PIL import Image

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data.images import height_width, to_array, to_pillow
from cyclegan_jax.image_size import Size, scaled


def resize(
    image: Num[np.ndarray, "H W C"] | Image.Image, height: int, width: int, *, nearest: bool, bands: bool = False
) -> Num[np.ndarray, "{height} {width} C"]:
    """Resize with Pillow, as the official code does.

    Bicubic interpolation overshoots at edges: uint8 is clipped to [0, 255], but float32 may leave its range.

    Args:
        image: uint8 or float32 of 1 to 4 channels, or of any number of bands; or a picture from `decode.open_picture`,
            which saves two copies.
        height: in pixels.
        width: in pixels.
        nearest: take the nearest pixel, which makes no new colours (for label maps), instead of bicubic interpolation
            with antialiasing (for photos; RGBA colours of uint8 are weighted by their alpha).
        bands: resize each channel by itself: none is alpha, and there may be any number.

    Returns:
        An array of the same dtype; `image` itself if it is an array of that size.
    """
    if height_width(image) == (height, width):
        return to_array(image) if isinstance(image, Image.Image) else image
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
    if isinstance(image, Image.Image):
        return to_array(image.resize((width, height), method))
    if image.dtype == np.uint8 and not bands:
        return to_array(to_pillow(image).resize((width, height), method))
    # Pillow has float pictures (mode F) of one channel only, and pictures of at most four.
    channels = [Image.fromarray(channel).resize((width, height), method) for channel in np.moveaxis(image, 2, 0)]
    return np.stack([np.asarray(channel, dtype=image.dtype) for channel in channels], axis=2)


def resize_example(
    image: Num[np.ndarray, "H W C"] | Image.Image, size: Size, config: DataConfig, domain: Domain
) -> Num[np.ndarray, "height width C"]:
    """Resize a decoded image of a data set: label maps by nearest neighbour, all others by bicubic interpolation.

    Args:
        image: a result of `decode.decode_example`.
        size: the height and width to resize to.
        config: its `labels` says which domain holds label maps.
        domain: the domain of the image.

    Returns:
        uint8, or float32 in [-1, 1].
    """
    resized = resize(image, *size, nearest=config.labels == domain, bands=config.has_bands(domain))
    if resized.dtype == np.uint8:
        return resized
    # Generators end in tanh. With values outside [-1, 1] in real images only, a discriminator could recognise them.
    return np.clip(resized, -1, 1)


def train_size(size: Size, config: DataConfig, multiple: int) -> Size:
    """Return the size to which a training image is resized, before the crop if there is one.

    Args:
        size: the stored size of the image.
        config: its `preprocess`, `image_size` and `load_size`.
        multiple: without a crop, height and width are rounded to multiples of this.
    """
    if config.preprocess == "resize_and_crop":
        return config.resolved_load_size
    if config.preprocess in ("scale_width", "scale_width_and_crop"):
        size = _scaled_to_width(size, config.resolved_load_size[1], config.crop_size[0])
    elif config.preprocess in ("scale_shorter", "scale_shorter_and_crop"):
        size = scaled(size, min(config.resolved_load_size) / min(size))
    return size if config.crops else rounded(size, multiple)


def eval_size(size: Size, config: DataConfig, multiple: int) -> Size:
    """Return the size to which a test image is resized; test images are never cropped.

    In `resize_and_crop`, training sees crops of `image_size` from images of `load_size`; the official code then tests
    on the whole image, resized to `image_size`. In the other modes a test image keeps the scale of training, and height
    and width are rounded to multiples of `multiple`.
    """
    if config.preprocess == "resize_and_crop":
        return config.crop_size
    return rounded(train_size(size, config, multiple), multiple)


def rounded(size: Size, multiple: int) -> Size:
    """Round height and width to the nearest multiple of a number, and at least to that number."""
    height, width = (max(multiple, round(side / multiple) * multiple) for side in size)
    return height, width


def _scaled_to_width(size: Size, width: int, least_height: int) -> Size:
    """Return the size of `__scale_width` in data/base_dataset.py of github.com/junyanz/pytorch-CycleGAN-and-pix2pix.

    The height keeps the proportions and is rounded down; but an image that would be lower than `least_height` is
    stretched to it.
    """
    return max(size[0] * width // size[1], least_height), width
