"""Rows of images, such as input, translation and reconstruction, as one picture."""

from collections.abc import Sequence

import numpy as np

from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.images import Uint8Image


def image_rows(images: Sequence[Sequence[Uint8Image]]) -> Uint8Image:
    """Lay out rows of uint8 images (H, W, C) as one RGB picture; smaller images are padded with white at two sides."""
    sizes = [image.shape[:2] for row in images for image in row]
    height, width = (max(sides) for sides in zip(*sizes, strict=True))

    def padded(image: Uint8Image) -> Uint8Image:
        rgb = images_lib.to_rgb(image)
        free = ((0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0))
        return np.pad(rgb, free, constant_values=255)

    return images_lib.grid([[padded(image) for image in row] for row in images])
