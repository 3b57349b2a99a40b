"""The part of a config that describes the data: the two image sets, and how an image becomes a training example."""

import math
import pathlib
import typing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cyclegan_jax import image_size
from cyclegan_jax.config_checks import check_limits, check_types, require, shown
from cyclegan_jax.config_limits import LIMITS
from cyclegan_jax.errors import UserError
from cyclegan_jax.image_size import ImageSize, Size

Domain = Literal["A", "B"]
Range = tuple[float, float]
Preprocess = Literal[
    "resize_and_crop",
    "crop",
    "scale_width",
    "scale_width_and_crop",
    "scale_shorter",
    "scale_shorter_and_crop",
    "none",
]

SOURCES: Final = ("streets", "folder", "cityscapes", "tfds")
# The official code resizes to 286 pixels and crops 256; other sizes keep this ratio (143 for 128, as in the paper).
LOAD_RATIO = 286 / 256


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of one domain's training images, besides crops and left-right flips; `DataConfig` checks them."""

    vertical_flip: bool = False
    """Flip each training image upside down with probability 1/2."""
    quarter_turns: bool = False
    """Turn each training image by 0, 90, 180 or 270 degrees; needs square crops."""
    brightness: float = 0.0
    """Multiply each training image by a factor between 1 - this and 1 + this; 0 is off. The four changes of colour are
    those of torchvision's ColorJitter, in a random order; a colour that leaves the range is clipped."""
    contrast: float = 0.0
    """Blend each training image with its mean gray, by a factor between 1 - this and 1 + this; 0 is off."""
    saturation: float = 0.0
    """Blend each training image with its gray version, by a factor between 1 - this and 1 + this; 0 is off."""
    hue: float = 0.0
    """Turn the hues of each training image by up to this part of the colour circle; 0 is off."""


@dataclass(frozen=True)
class DataConfig:
    """The two image sets, and how an image becomes a training example."""

    source: str = "folder"
    """`streets`: street scenes that the package draws; `folder`: your own images, in `data.dir`; `cityscapes`: the
    official archives, in `data.dir`; `tfds`: a data set of TensorFlow Datasets, by name; or your own function, as
    module:function, that returns the data set."""
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
    preprocess: Preprocess = "resize_and_crop"
    """How training images get their size. `resize_and_crop`: resize to `data.load_size`, whatever the proportions, then
    crop; `crop`: crop only; `scale_width_and_crop`: scale the width to `data.load_size`, then crop; `scale_width`:
    scale the width to `data.load_size` (default: `data.image_size`); `none`: keep the size. Both scale_width modes
    stretch images that would be lower than `data.image_size` to that height. `scale_shorter_and_crop` and
    `scale_shorter`: the same with the shorter side, and without stretching. `scale_width`, `scale_shorter` and `none`
    round height and width to a size that the networks accept, and need images of equal size."""
    image_size: ImageSize = 256
    """Height and width in pixels of the training crop: one number for a square, or height x width, such as 256x512.
    With `resize_and_crop`, test images are resized to it."""
    load_size: ImageSize | None = None
    """Size in pixels to which training images are resized before the random crop, written like `data.image_size`; one
    number in the scale modes; default: image_size * 286 / 256."""
    flip: bool = True
    """Flip each training image left to right with probability 1/2."""
    augment_A: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of the training images of domain A."""
    augment_B: AugmentConfig = field(default_factory=AugmentConfig)
    """The same for domain B."""
    labels: Domain | None = None
    """The domain of label maps, if any: they are resized by nearest neighbour, snapped to the palette,
    and scored by palette colour."""
    palette: str = "cityscapes"
    """The classes of label maps and their colours: `cityscapes`, `facades` (of the CMP Facade Database), or a text file
    with a class in each line, as NAME RED GREEN BLUE. A run stores its content, and needs the file no more."""
    channels_A: int = 3
    """Channels of domain A: 1 (gray), 3 (RGB), 4 (RGBA), or any other number up to 64: bands, such as those of a
    satellite image, from .npy arrays (H, W, channels) or TIFF files with a page for each band."""
    channels_B: int = 3
    """Channels of domain B."""
    range_A: Range | tuple[Range, ...] | None = None
    """The lowest and highest value of domain A, such as 0 4095, if its files hold more than 8 bits (16-bit and float
    images, .npy arrays): this range is scaled to [-1, 1], and a value outside is an error; alpha has the full
    range of its dtype instead. Or one such pair for each channel, which are bands then. None: 8-bit images."""
    range_B: Range | tuple[Range, ...] | None = None
    """The same for domain B."""
    bands_A: tuple[int, int, int] | None = None
    """The bands of domain A that pictures show as red, green and blue, counted from 1; default: the first three, or the
    first one as gray where there are only two."""
    bands_B: tuple[int, int, int] | None = None
    """The same for domain B."""
    max_images: int | None = None
    """Train on the first images of each domain only, by name, and at most this many; default: all."""
    shuffle: bool = True
    """Shuffle the training images of each domain anew in every epoch; False keeps the order of their names, so that
    images of A and B come side by side."""
    on_error: Literal["stop", "skip"] = "stop"
    """At an unreadable training image, `stop` the training, or `skip` to the next image and count it."""
    cache_gib: float = 0.0
    """Memory in GiB for a cache of decoded training images, so that later epochs need not decode them; 0 is off."""
    threads: int = 2
    """Threads that read and decode images; the order of the images does not depend on it."""

    def __post_init__(self) -> None:
        """Check every field, and the fields that depend on each other."""
        self._check_sizes()
        check_types(self, "data")
        check_limits(self, "data", LIMITS)
        need = f"one of {', '.join(SOURCES)}, or a function as module:function"
        require(self.source in SOURCES or ":" in self.source, "data.source", self.source, need)
        self._check_load_size()
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
            self._check_bands(domain)
            self._check_augment(domain)

    def _check_sizes(self) -> None:
        """Check both sizes, and write each in the one way in which equal sizes are equal."""
        for name in ("image_size", "load_size"):
            written: Any = getattr(self, name)
            if written is None and name == "load_size":
                continue
            size = image_size.parse(written, f"data.{name}")
            limits = LIMITS[f"data.{name}"]
            for side in size:
                require(limits.hold(side), f"data.{name}", written, limits.need(side))
            object.__setattr__(self, name, image_size.write(size))

    def _check_load_size(self) -> None:
        if self.load_size is None:
            return
        load, crop = self.resolved_load_size, self.crop_size
        fits = image_size.holds(load, crop)
        if self.preprocess.startswith("scale_"):
            need = f"one number if data.preprocess is {self.preprocess}, which keeps the proportions, or None"
            require(isinstance(self.load_size, int), "data.load_size", self.load_size, need)
            # One side is scaled to it; the other follows from the image.
            fits = load[1] >= crop[1] if "width" in self.preprocess else min(load) >= min(crop)
        need = f"at least data.image_size ({self.image_size}), since crops are taken from it"
        require(fits, "data.load_size", self.load_size, need)

    def _check_range(self, domain: Domain) -> None:
        limits, ranges = self._range(domain), self.band_ranges(domain)
        if limits is None or ranges is None:
            return
        need = "two finite values, the lower first"
        if isinstance(limits[0], tuple):
            need = f"{self.channels(domain)} pairs of finite values, one per channel, the lower first, or one pair"
        fits = all(-math.inf < low < high < math.inf for low, high in ranges)
        require(fits and len(ranges) == self.channels(domain), f"data.range_{domain}", limits, need)
        if self.labels == domain:
            raise UserError(
                f"data.range_{domain} is {limits}, but data.labels is {domain!r} and label maps have 8-bit colours: "
                "set one of the two to None"
            )

    def _check_bands(self, domain: Domain) -> None:
        chosen = self.bands_A if domain == "A" else self.bands_B
        if chosen is None:
            return
        if not self.has_bands(domain):
            raise UserError(
                f"data.bands_{domain} is {chosen}, but with data.channels_{domain} {self.channels(domain)} and one "
                "range for all, pictures show the whole image: set it to None"
            )
        highest = self.channels(domain)
        require(max(chosen) <= highest, f"data.bands_{domain}", chosen, f"three numbers from 1 to {highest}, or None")

    def _check_augment(self, domain: Domain) -> None:
        name, augment = f"data.augment_{domain}", self.augment(domain)
        check_types(augment, name)
        check_limits(augment, name, LIMITS)
        if augment.quarter_turns and not (self.crops and self.crop_size[0] == self.crop_size[1]):
            shape = f"data.image_size is {self.image_size}" if self.crops else f"data.preprocess is {self.preprocess}"
            raise UserError(f"{name}.quarter_turns needs square crops, but {shape}: turn it off, or crop squares")
        strengths = {part: getattr(augment, part) for part in ("brightness", "contrast", "saturation", "hue")}
        changes = [part for part, strength in strengths.items() if strength > 0]
        if changes and self.labels == domain:
            raise UserError(
                f"{name}.{changes[0]} is {strengths[changes[0]]}, but data.labels is {domain!r} and a label map's "
                "colours are its classes: set it to 0; vertical_flip and quarter_turns change no colour"
            )
        of_colors = [part for part in changes if part in ("saturation", "hue")]
        if of_colors and (self.has_bands(domain) or self.channels(domain) == 1):
            raise UserError(
                f"{name}.{of_colors[0]} is {strengths[of_colors[0]]}, but data.channels_{domain} is "
                f"{self.channels(domain)}, which has no colours: set it to 0"
            )

    @property
    def crop_size(self) -> Size:
        """Height and width of `image_size`."""
        return image_size.parse(self.image_size, "data.image_size")

    @property
    def resolved_load_size(self) -> Size:
        """Height and width of `load_size`, or its default for the preprocess mode."""
        if self.load_size is not None:
            return image_size.parse(self.load_size, "data.load_size")
        return image_size.scaled(self.crop_size, LOAD_RATIO) if self.crops else self.crop_size

    @property
    def crops(self) -> bool:
        """Whether training images are crops of `image_size`; if not, their size depends on the data."""
        return self.preprocess not in ("scale_width", "scale_shorter", "none")

    def channels(self, domain: Domain) -> int:
        """Number of channels of a domain's images."""
        return self.channels_A if domain == "A" else self.channels_B

    def augment(self, domain: Domain) -> AugmentConfig:
        """The random changes of a domain's training images."""
        return self.augment_A if domain == "A" else self.augment_B

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

    def has_bands(self, domain: Domain) -> bool:
        """Whether a domain's channels are bands, and not gray, RGB or RGBA."""
        given = self._range(domain)
        return self.channels(domain) not in (1, 3, 4) or (given is not None and isinstance(given[0], tuple))

    def shown_bands(self, domain: Domain) -> tuple[int, ...]:
        """The bands of a domain that pictures show, counted from 1: three, or one as gray."""
        chosen = self.bands_A if domain == "A" else self.bands_B
        return chosen or ((1, 2, 3) if self.channels(domain) >= 3 else (1,))

    def value_range(self, domain: Domain) -> Range | None:
        """The lowest and highest value of a domain's images, or None for 8-bit images."""
        ranges = self.band_ranges(domain)
        return None if ranges is None else (min(low for low, _ in ranges), max(high for _, high in ranges))

    def band_ranges(self, domain: Domain) -> tuple[Range, ...] | None:
        """The lowest and highest value of each channel, or None for 8-bit images."""
        given = self._range(domain)
        if given is None or isinstance(given[0], tuple):
            return given
        return (given,) * self.channels(domain)

    def _range(self, domain: Domain) -> Range | tuple[Range, ...] | None:
        return self.range_A if domain == "A" else self.range_B
