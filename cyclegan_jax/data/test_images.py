"""Images as they are tested and shown: whole, with nothing random."""

from typing import Final

import numpy as np

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import images, palette, preprocess
from cyclegan_jax.data.images import AnyImage
from cyclegan_jax.data.sources import Example, Source, Sources
from cyclegan_jax.data.train_images import decode
from cyclegan_jax.errors import UserError

MULTIPLE: Final = 4
"""Of what the sides of a generator's images must be."""


def test_image(example: Example, config: DataConfig, domain: Domain) -> AnyImage:
    """An image for testing, without crop or flip: resized straight to `image_size`, or at the scale of training.

    A label map is resized by nearest neighbour, and its pixels are moved to the nearest colours of the Cityscapes
    palette (black included), as its file may be a JPEG.

    Returns:
        (H, W, channels) uint8, or float32 in [-1, 1] where the domain's value range is stated; see
        `preprocess.test_size` for H and W.

    Raises:
        UserError: the image cannot be read.
    """
    is_labels = config.labels == domain
    stored = decode(example, config, domain)
    size = preprocess.test_size(images.height_width(stored), config, MULTIPLE)
    image = images.resize(stored, *size, nearest=is_labels)
    if is_labels and image.shape[2] == 3:
        return images.snap_to_palette(image, palette.color_array(unlabelled=True))
    return image


def sample_images(data: Sources, config: DataConfig, number: int) -> dict[Domain, AnyImage]:
    """At most `number` test images of each domain for a picture grid; training images where there are no test images.

    They come from all over the split, since the first ones in a row would often be frames of one film. Where images
    keep sizes of their own, the middle is taken, of one size for all.

    Returns:
        For A and B as many images, (N, H, W, channels), of one height and width.

    Raises:
        UserError: an image cannot be read, and `config.on_error` is not to skip it; or none of them can.
    """
    splits: dict[Domain, Source] = {
        "A": data.test_A if len(data.test_A) else data.train_A,
        "B": data.test_B if len(data.test_B) else data.train_B,
    }
    number = min(number, *(len(split) for split in splits.values()))
    chosen = {domain: _spread(split, config, domain, number) for domain, split in splits.items()}
    number = min(len(images_) for images_ in chosen.values())
    sizes = [image.shape[:2] for images_ in chosen.values() for image in images_[:number]]
    height, width = (min(sides) for sides in zip(*sizes, strict=True))
    if config.crops:
        height, width = min(height, config.image_size), min(width, config.image_size)
    return {
        domain: np.stack([preprocess.center_crop(image, (height, width)) for image in images_[:number]])
        for domain, images_ in chosen.items()
    }


def _spread(source: Source, config: DataConfig, domain: Domain, number: int) -> list[AnyImage]:
    chosen, last_error = [], None
    for place in range(number):
        try:
            chosen.append(test_image(source[place * len(source) // number], config, domain))
        except UserError as error:
            if config.on_error == "stop":
                raise
            last_error = error
    if last_error is not None and not chosen:
        raise last_error
    return chosen
