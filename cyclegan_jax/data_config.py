"""The part of a config that describes the data: the two image sets, and how an image becomes a training example."""

import math
import pathlib
import typing
from dataclasses import dataclass
from typing import Literal

from cyclegan_jax.config_checks import check_limits, check_types, require, shown
from cyclegan_jax.config_limits import LIMITS
from cyclegan_jax.errors import UserError

Domain = Literal["A", "B"]

# The official code resizes to 286 pixels and crops 256; other sizes keep this ratio (143 for 128, as in the paper).
LOAD_RATIO = 286 / 256


@dataclass(frozen=True)
class DataConfig:
    """The two image sets, and how an image becomes a training example."""

    source: Literal["streets", "folder", "cityscapes", "tfds"] = "folder"
    """`streets`: street scenes that the package draws; `folder`: your own images, in `data.dir`; `cityscapes`: the
    official archives, in `data.dir`; `tfds`: a data set of TensorFlow Datasets, by name."""
    dir: str | None = None
    """For `folder`: a folder with trainA, trainB, testA and testB, or train/A, train/B, test/A and test/B. For
    `cityscapes`: the folder of the archives. Otherwise: where to store the data (default: the TFDS directory)."""
    train_A: str | None = None
    """For `folder`: a folder of training images of domain A, instead of the one in `data.dir`."""
    train_B: str | None = None
    """For `folder`: a folder of training images of domain B, instead of the one in `data.dir`."""
    test_A: str | None = None
    """For `folder`: a folder of test images of domain A, instead of the one in `data.dir`."""
    test_B: str | None = None
    """For `folder`: a folder of test images of domain B, instead of the one in `data.dir`."""
    name: str | None = None
    """For `tfds`: one of the paper's data sets, such as horse2zebra."""
    name_A: str | None = None
    """For `tfds`, instead of `data.name`: a labelled data set as domain A, or one class of it, such as cifar10:cat."""
    name_B: str | None = None
    """For `tfds`, instead of `data.name`: the same for domain B."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = "resize_and_crop"
    """How training images get their size. `resize_and_crop`: resize to a square of `data.load_size`, then crop; `crop`:
    crop only; `scale_width_and_crop`: scale the width to `data.load_size`, then crop; `scale_width`: scale the width to
    `data.load_size` (default: `data.image_size`); `none`: keep the size. Both scale_width modes stretch images that
    would be lower than `data.image_size` to that height. `scale_width` and `none` round height and width to a size that
    the networks accept, and need images of equal size."""
    image_size: int = 256
    """Height and width in pixels of the square training crop, and of test images if training images are resized to a
    square."""
    load_size: int | None = None
    """Size in pixels to which training images are resized before the random crop; default: image_size * 286 / 256."""
    flip: bool = True
    """Flip each training image left to right with probability 1/2."""
    labels: Domain | None = None
    """The domain of label maps, if any: they are resized by nearest neighbour, snapped to the palette,
    and scored by palette colour."""
    palette: str = "cityscapes"
    """The classes of label maps and their colours: `cityscapes`, `facades` (of the CMP Facade Database), or a text file
    with a class in each line, as NAME RED GREEN BLUE. A run stores its content, and needs the file no more."""
    channels_A: Literal[1, 3, 4] = 3
    """Channels of domain A: 1 (gray), 3 (RGB) or 4 (RGBA)."""
    channels_B: Literal[1, 3, 4] = 3
    """Channels of domain B."""
    range_A: tuple[float, float] | None = None
    """The lowest and highest value of domain A, such as 0 4095, if its files hold more than 8 bits (16-bit and float
    images, .npy arrays): this range is scaled to [-1, 1], and a value outside is an error; alpha has the full
    range of its dtype instead. None: 8-bit images."""
    range_B: tuple[float, float] | None = None
    """The same for domain B."""
    on_error: Literal["stop", "skip"] = "stop"
    """At an unreadable training image, `stop` the training, or `skip` to the next image and count it."""
    cache_gib: float = 0.0
    """Memory in GiB for a cache of decoded training images, so that later epochs need not decode them; 0 is off."""
    threads: int = 2
    """Threads that read and decode images; the order of the images does not depend on it."""

    def __post_init__(self) -> None:
        """Check every field, and the fields that depend on each other."""
        check_types(self, "data")
        check_limits(self, "data", LIMITS)
        if self.load_size is not None:
            need = f"at least data.image_size ({self.image_size}), since crops are taken from it"
            require(self.load_size >= self.image_size, "data.load_size", self.load_size, need)
        if self.labels is not None and self.channels(self.labels) != 3:
            raise UserError(
                f"data.labels is {self.labels!r}, but label maps have palette colours in 3 channels and "
                f"data.channels_{self.labels} is {self.channels(self.labels)}: set it to 3, or data.labels to None"
            )
        if self.labels is None and self.palette != "cityscapes":
            raise UserError(
                f"data.palette is {shown(self.palette)}, but data.labels is None, so that no domain holds label maps: "
                "give --data.labels=A (or B), or leave the palette out"
            )
        for domain in typing.get_args(Domain):
            self._check_range(domain)

    def _check_range(self, domain: Domain) -> None:
        limits = self.value_range(domain)
        if limits is None:
            return
        need = "two finite values, the lower first"
        require(-math.inf < limits[0] < limits[1] < math.inf, f"data.range_{domain}", limits, need)
        if self.labels == domain:
            raise UserError(
                f"data.range_{domain} is {limits}, but data.labels is {domain!r} and label maps have 8-bit colours: "
                "set one of the two to None"
            )

    @property
    def resolved_load_size(self) -> int:
        """`load_size` in pixels, or its default for the preprocess mode."""
        if self.load_size is not None:
            return self.load_size
        return self.image_size if self.preprocess == "scale_width" else round(self.image_size * LOAD_RATIO)

    @property
    def crops(self) -> bool:
        """Whether training images are crops of `image_size`; if not, their size depends on the data."""
        return self.preprocess not in ("scale_width", "none")

    def channels(self, domain: Domain) -> int:
        """Number of channels of a domain's images: 1, 3 or 4."""
        return self.channels_A if domain == "A" else self.channels_B

    def subject(self, domain: Domain) -> str:
        """What a domain's images are, as far as the config says, such as `label maps`, `horse` or `photos/trainA`."""
        if self.labels == domain:
            return "label maps"
        if self.labels is not None:
            return "photos"
        folder = self.train_A if domain == "A" else self.train_B
        if folder is not None:
            return pathlib.PurePath(folder).name
        labelled = self.name_A if domain == "A" else self.name_B
        if labelled is not None:
            return labelled
        if self.name is not None and self.name.count("2") == 1:
            return self.name.split("2")["AB".index(domain)]
        return f"{pathlib.PurePath(self.dir).name}/train{domain}" if self.dir is not None else f"domain {domain}"

    def value_range(self, domain: Domain) -> tuple[float, float] | None:
        """The lowest and highest value of a domain's images, or None for 8-bit images."""
        return self.range_A if domain == "A" else self.range_B
