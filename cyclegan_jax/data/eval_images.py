"""Test images: whole, resized, with nothing random; for evaluation and for picture grids."""

from typing import Final

import numpy as np
from jaxtyping import Num

from cyclegan_jax.config import DataConfig, Domain, GeneratorConfig
from cyclegan_jax.data.crop_and_flip import center_crop
from cyclegan_jax.data.dataset import Dataset, Example, Split
from cyclegan_jax.data.decode import decode_example
from cyclegan_jax.data.images import AnyImage, height_width
from cyclegan_jax.data.palette import color_array, snap_to_palette
from cyclegan_jax.data.palette_file import palette_of
from cyclegan_jax.data.resize import eval_size, resize_example
from cyclegan_jax.errors import UserError

RESNET_MULTIPLE: Final = GeneratorConfig().size_multiple
"""Height and width of the images of a ResNet are multiples of this."""


def eval_image(
    example: Example, config: DataConfig, domain: Domain, multiple: int = RESNET_MULTIPLE
) -> Num[np.ndarray, "H W C"]:
    """Decode a test image and resize it to `eval_size`, without crop or flip.

    A label map is resized by nearest neighbour, and each pixel is replaced by the nearest colour of the palette (that
    of unlabelled pixels included), since a JPEG changes colours.

    Args:
        example: the encoded image.
        config: the data set.
        domain: the image's domain.
        multiple: height and width are multiples of this, `GeneratorConfig.size_multiple`.

    Returns:
        uint8, or float32 in [-1, 1] where the domain's value range is given.

    Raises:
        UserError: the image cannot be read.
    """
    stored = decode_example(example, config, domain)
    size = eval_size(height_width(stored), config, multiple)
    image = resize_example(stored, size, config, domain)
    if config.labels != domain:
        return image
    return snap_to_palette(image, color_array(unlabelled=True, palette=palette_of(config)))


def sample_images(
    data: Dataset, config: DataConfig, number: int, multiple: int = RESNET_MULTIPLE
) -> dict[Domain, Num[np.ndarray, "N H W C"]]:
    """Read at most `number` test images of each domain for a picture grid, or training images if there are no others.

    They are spread over the split, since its first images are often similar, such as frames of one film. If their sizes
    differ, each is cropped around its center to the largest size that fits into all.

    Returns:
        The same number of images for A and B, all of one height and width.

    Raises:
        UserError: an image cannot be read and `config.on_error` is "stop", or no image of a domain can be read.
    """
    splits: dict[Domain, Split] = {
        "A": data.test_A if len(data.test_A) else data.train_A,
        "B": data.test_B if len(data.test_B) else data.train_B,
    }
    number = min(number, *(len(split) for split in splits.values()))
    chosen = {domain: _read_spread(split, config, domain, number, multiple) for domain, split in splits.items()}
    number = min(len(images_) for images_ in chosen.values())
    sizes = [image.shape[:2] for images_ in chosen.values() for image in images_[:number]]
    height, width = (min(sides) for sides in zip(*sizes, strict=True))
    if config.crops:
        height, width = min(height, config.crop_size[0]), min(width, config.crop_size[1])
    return {
        domain: np.stack([center_crop(image, (height, width)) for image in images_[:number]])
        for domain, images_ in chosen.items()
    }


def spread(total: int, number: int) -> list[int]:
    """Choose `number` indices below `total` at even distances: neighbours in a split are often frames of one video."""
    number = min(number, total)
    return [index * total // number for index in range(number)]


def _read_spread(split: Split, config: DataConfig, domain: Domain, number: int, multiple: int) -> list[AnyImage]:
    """Read `number` images at equal distances; unreadable ones are left out if `config.on_error` is "skip"."""
    chosen, last_error = [], None
    for index in spread(len(split), number):
        try:
            chosen.append(eval_image(split[index], config, domain, multiple))
        except UserError as error:
            if config.on_error == "stop":
                raise
            last_error = error
    if last_error is not None and not chosen:
        raise last_error
    return chosen
