"""From a decoded image to what the networks see: the sizes of the preprocess modes, random crops and flips.

The modes are those of the official code (`data.preprocess`). Arrays of a fixed shape are what XLA compiles for, so that
where images keep sizes of their own, without a crop, all of a domain must have the same.
"""

from dataclasses import dataclass

import numpy as np

from cyclegan_jax.config import DataConfig
from cyclegan_jax.data.images import AnyImage
from cyclegan_jax.errors import UserError

Size = tuple[int, int]


def train_size(size: Size, config: DataConfig, multiple: int) -> Size:
    """The height and width to which a training image is resized, before a crop if there is one.

    Args:
        size: its height and width in pixels.
        config: its data.
        multiple: of what the sides must be without a crop.
    """
    if config.preprocess == "resize_and_crop":
        return config.resolved_load_size, config.resolved_load_size
    if config.preprocess in ("scale_width", "scale_width_and_crop"):
        size = _scaled(size, config.resolved_load_size)
    return size if config.crops else rounded(size, multiple)


def test_size(size: Size, config: DataConfig, multiple: int) -> Size:
    """The height and width to which a test image is resized: as in training, but whole.

    Training squares of `load_size` are cropped to `image_size`; for them a test image is resized to that, as in the
    official code. Otherwise it keeps the scale of training, and its sides are rounded to `multiple`.
    """
    if config.preprocess == "resize_and_crop":
        return config.image_size, config.image_size
    return rounded(train_size(size, config, multiple), multiple)


def rounded(size: Size, multiple: int) -> Size:
    """The nearest height and width that are multiples of a number, and at least that."""
    height, width = (max(multiple, round(side / multiple) * multiple) for side in size)
    return height, width


def _scaled(size: Size, width: int) -> Size:
    return max(1, round(size[0] * width / size[1])), width


def check_crop(size: Size, config: DataConfig, name: str) -> None:
    """Refuse an image that is smaller than the crop.

    Args:
        size: its height and width once it is resized.
        config: its data.
        name: its file.

    Raises:
        UserError: it is.
    """
    side = config.image_size
    if config.crops and min(size) < side:
        raise UserError(
            f"the image {name} is {size[1]}x{size[0]} pixels where it is to be cropped (data.preprocess is "
            f"{config.preprocess}), smaller than the crop of {side}: take it out, lower data.image_size, or "
            "use --data.preprocess=resize_and_crop"
        )


@dataclass(frozen=True)
class Cut:
    """A part of an image: its upper left corner, its size, and whether it is mirrored left to right."""

    top: int
    left: int
    size: Size
    mirror: bool

    def of_mirrored(self, width: int) -> "Cut":
        """The same pixels, cut out of the mirror image of an image of that width."""
        return Cut(self.top, width - self.left - self.size[1], self.size, not self.mirror)

    def write(self, image: AnyImage, out: AnyImage) -> None:
        """Copy the part of `image` (H, W, C) to `out`, which has its size."""
        part = image[self.top : self.top + self.size[0], self.left : self.left + self.size[1]]
        if not self.mirror:
            out[:] = part
            return
        # All channels in one statement would be copied pixel by pixel, three bytes at a time: five times as long.
        for channel in range(image.shape[2]):
            out[..., channel] = part[:, ::-1, channel]


def draw_cut(size: Size, config: DataConfig, rng: np.random.Generator) -> Cut:
    """A random crop of `image_size`, if the mode has one, mirrored at random if `config.flip` is on.

    Args:
        size: height and width of the image, at least those of the crop.
        config: its data.
        rng: what decides.
    """
    top = left = 0
    if config.crops:
        height, width = size
        size = config.image_size, config.image_size
        top = int(rng.integers(0, height - size[0], endpoint=True))
        left = int(rng.integers(0, width - size[1], endpoint=True))
    return Cut(top, left, size, mirror=config.flip and bool(rng.random() < 0.5))


def center_crop(image: AnyImage, size: Size) -> AnyImage:
    """The middle of an image (H, W, C), of the given height and width, which it must have."""
    top, left = (image.shape[0] - size[0]) // 2, (image.shape[1] - size[1]) // 2
    return image[top : top + size[0], left : left + size[1]]
