"""The training images of one domain: in what order they come, how each is read, and what a broken one does."""

import functools
import logging
import threading
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from cyclegan_jax.config import DataConfig, Domain, TrainConfig
from cyclegan_jax.data import high_depth, images, preprocess
from cyclegan_jax.data.high_depth import FloatImage
from cyclegan_jax.data.image_cache import ImageCache
from cyclegan_jax.data.images import AnyImage
from cyclegan_jax.data.preprocess import Size
from cyclegan_jax.data.sources import Example, Source, Sources
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

_NAMED: Final = 5
"""Skipped images that are named one by one; of more, the number is told at the end."""


def decode(example: Example, config: DataConfig, domain: Domain) -> Image.Image | FloatImage:
    """An image as it is stored: a picture of 8 bits, or (H, W, channels) float32 in [-1, 1] where its range is stated.

    Raises:
        UserError: it cannot be read.
    """
    limits = config.value_range(domain)
    if limits is None:
        return images.open_picture(example.encoded, config.channels(domain), example.name)
    field = f"data.range_{domain}"
    return high_depth.decode_scaled(example.encoded, config.channels(domain), limits, example.name, field=field)


class TrainImages:
    """The endless sequence of a domain's augmented images, a pure function of seed and position.

    All images in a random order, then all in another. Grain's own shuffle would cost milliseconds an image where there
    are only tens of images.

    Attributes:
        unreadable: by index, what is wrong with the images that were skipped so far.
    """

    def __init__(self, source: Source, config: TrainConfig, domain: Domain):
        """The images of `source`."""
        self._source = source
        self._config = config.data
        self._domain = domain
        self._multiple = config.size_multiple
        seeds = np.random.SeedSequence([config.seed, "AB".index(domain)]).generate_state(2)
        self._order_seed = int(seeds[0])
        self._augmentation_key = np.random.Philox(int(seeds[1])).state["state"]["key"]
        # Positions near the end of an epoch are read by several threads at once, so that two epochs are in use.
        self._order = functools.lru_cache(maxsize=4)(self._draw_order)
        self._cache = ImageCache(config.data.cache_gib / 2) if config.data.cache_gib > 0 else None
        self.unreadable: dict[int, str] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many images the domain has."""
        return len(self._source)

    def write(self, position: int, out: AnyImage) -> None:
        """Write the image at a position from 0, cropped and mirrored at random, to `out` of `shape` and `dtype`.

        Raises:
            UserError: it cannot be read or does not fit, and is not to be skipped; or none of the domain can.
        """
        epoch, place = divmod(position, len(self._source))
        order = self._order(epoch)
        # A generator of random numbers for each position: what it draws depends on nothing that was drawn before.
        rng = np.random.Generator(np.random.Philox(key=self._augmentation_key, counter=[0, 0, 0, position]))
        for ahead in range(len(order)):
            index = int(order[(place + ahead) % len(order)])
            try:
                image = self._prepared(index)
            except UserError as error:
                if self._config.on_error == "stop":
                    raise
                self._skip(index, str(error))
                continue
            cut = preprocess.draw_cut(images.height_width(image), self._config, rng)
            if cut.mirror and self._cache is not None and epoch > 0:
                # Mirroring takes ten times as long as copying. What the first epoch left free of the cache holds mirror
                # images too.
                image = self._cache.get((index, "mirrored"), functools.partial(_mirrored, image), needed=False)
                cut = cut.of_mirrored(image.shape[1])
            cut.write(image, out)
            return
        raise UserError(
            f"none of the {len(order):,} training images of domain {self._domain} can be used; of the first, "
            f"{self.unreadable[min(self.unreadable)]}"
        )

    @property
    def dtype(self) -> npt.DTypeLike:
        """uint8, or float32 where the value range is stated."""
        return np.uint8 if self._config.value_range(self._domain) is None else np.float32

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, channels) of every augmented image."""
        return (*self.size, self._config.channels(self._domain))

    @functools.cached_property
    def size(self) -> Size:
        """Height and width of every augmented image: the crop's, or without a crop those of the first image."""
        if self._config.crops:
            return self._config.image_size, self._config.image_size
        for index in range(len(self._source)):
            try:
                image = decode(self._source[index], self._config, self._domain)
                return preprocess.train_size(images.height_width(image), self._config, self._multiple)
            except UserError:
                if self._config.on_error == "stop":
                    raise
        raise UserError(f"none of the training images of domain {self._domain} can be read")

    def _draw_order(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self._order_seed, epoch]).permutation(len(self._source))

    def _prepared(self, index: int) -> AnyImage:
        """The image before what is random."""
        if index in self.unreadable:
            raise UserError(self.unreadable[index])
        if self._cache is None:
            return self._prepare(index)
        return self._cache.get(index, lambda: self._prepare(index))

    def _prepare(self, index: int) -> AnyImage:
        example, config = self._source[index], self._config
        image = decode(example, config, self._domain)
        size = preprocess.train_size(images.height_width(image), config, self._multiple)
        preprocess.check_crop(size, config, example.name)
        if not config.crops and size != self.size:
            raise UserError(
                f"the image {example.name} is {size[1]}x{size[0]} pixels once it is resized (data.preprocess "
                f"is {config.preprocess}), but the first of domain {self._domain} is {self.size[1]}x{self.size[0]}: "
                "without a crop all need one size; use --data.preprocess=scale_width_and_crop, crop or resize_and_crop"
            )
        return images.resize(image, *size, nearest=config.labels == self._domain)

    def _skip(self, index: int, message: str) -> None:
        with self._lock:
            if index in self.unreadable:
                return
            self.unreadable[index] = message
            number = len(self.unreadable)
        if number <= _NAMED:
            _LOG.warning(f"skipped: {message}")
        elif number == _NAMED + 1:
            _LOG.warning(f"skipped more images of domain {self._domain}; their number is told at the end")


def _mirrored(image: AnyImage) -> AnyImage:
    return np.ascontiguousarray(image[:, ::-1])


def train_sizes(sources: Sources, config: TrainConfig) -> dict[Domain, Size]:
    """Height and width of each domain's training images, as the networks get them.

    Raises:
        UserError: without a crop they depend on the images, and the first cannot be read.
    """
    return {
        "A": TrainImages(sources.train_A, config, "A").size,
        "B": TrainImages(sources.train_B, config, "B").size,
    }
