"""Random crops and flips of training images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Num

from cyclegan_jax.config import DataConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.image_size import Size, holds


@dataclass(frozen=True)
class Crop:
    """A part of an image: its upper left corner, its size, and whether it is mirrored left to right."""

    top: int
    left: int
    size: Size
    mirror: bool

    def of_mirrored(self, width: int) -> "Crop":
        """Return the crop that selects the same pixels from the mirror image of an image of `width` pixels."""
        return Crop(self.top, width - self.left - self.size[1], self.size, not self.mirror)

    def write(self, image: Num[np.ndarray, "H W C"], out: Num[np.ndarray, "height width C"]) -> None:
        """Copy the part of `image` into `out`, which has the height and width of `size`."""
        part = image[self.top : self.top + self.size[0], self.left : self.left + self.size[1]]
        if not self.mirror:
            out[:] = part
            return
        # One channel at a time is 5x faster: NumPy would copy a mirrored row of all channels pixel by pixel, in pieces
        # of three bytes.
        for channel in range(image.shape[2]):
            out[..., channel] = part[:, ::-1, channel]


def draw_crop(size: Size, config: DataConfig, rng: np.random.Generator) -> Crop:
    """Draw a random crop of `image_size`, and with `config.flip` whether it is mirrored (probability 0.5).

    In the modes without a crop, the crop is the whole image.

    Args:
        size: the size of the image, at least that of the crop.
        config: its `preprocess`, `image_size` and `flip`.
        rng: draws top, left and flip in this order; another order would change the batches of old runs.
    """
    top = left = 0
    if config.crops:
        height, width = size
        size = config.crop_size
        top = int(rng.integers(0, height - size[0], endpoint=True))
        left = int(rng.integers(0, width - size[1], endpoint=True))
    return Crop(top, left, size, mirror=config.flip and bool(rng.random() < 0.5))


def check_crop_fits(size: Size, config: DataConfig, name: str) -> None:
    """Check that an image is at least as large as the crop.

    Args:
        size: the size of the image once it is resized.
        config: its `preprocess` and `image_size`.
        name: the file, for the error message.

    Raises:
        UserError: the image is smaller.
    """
    if config.crops and not holds(size, config.crop_size):
        raise UserError(
            f"the image {name} is {size[1]}x{size[0]} pixels before the crop (data.preprocess is {config.preprocess}), "
            f"smaller than the crop of {config.image_size}: take it out, lower data.image_size, or use "
            "--data.preprocess=resize_and_crop"
        )


def center_crop(image: Num[np.ndarray, "H W C"], size: Size) -> Num[np.ndarray, "height width C"]:
    """Return the middle of an image, which must be at least as large as `size`; a view, not a copy."""
    top, left = (image.shape[0] - size[0]) // 2, (image.shape[1] - size[1]) // 2
    return image[top : top + size[0], left : left + size[1]]
