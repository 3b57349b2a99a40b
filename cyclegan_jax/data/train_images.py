"""The training images of one domain: their random order, their augmentation, and skipping of unreadable ones."""

import functools
import logging
import threading
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64, Num

from cyclegan_jax.config import Domain, TrainConfig
from cyclegan_jax.data.augment import draw_augmentation
from cyclegan_jax.data.crop_and_flip import check_crop_fits, draw_crop
from cyclegan_jax.data.dataset import Dataset, Split
from cyclegan_jax.data.decode import decode_example
from cyclegan_jax.data.fingerprint import fingerprint
from cyclegan_jax.data.image_cache import ImageCache
from cyclegan_jax.data.images import height_width
from cyclegan_jax.data.palette import color_array, snap_to_palette
from cyclegan_jax.data.palette_file import palette_of
from cyclegan_jax.data.resize import resize_example, train_size
from cyclegan_jax.errors import UserError
from cyclegan_jax.image_size import Size
from cyclegan_jax.networks import cyclegan

_LOG = logging.getLogger(__name__)

_LOGGED: Final = 5
"""Skipped images that are logged one by one, per domain; the end of the training logs how many there were."""


class TrainImages:
    """The endless sequence of a domain's augmented images: a pure function of the seed and the position.

    Each epoch is a new random permutation of all images, or with `data.shuffle` off their own order. Grain has a
    shuffle too, but it takes milliseconds per image in a data set of a few dozen images.

    Attributes:
        unreadable: error messages of the images skipped so far, by their index in the split.
    """

    def __init__(self, split: Split, config: TrainConfig, domain: Domain):
        """Prepare the sequence over the images of `split`; reads no image."""
        self._split = split
        self._config = config.data
        self._domain = domain
        self._is_labels = config.data.labels == domain
        self._palette = color_array(unlabelled=True, palette=palette_of(config.data))
        self._multiple = cyclegan.size_multiple(config)
        # Two independent seeds per domain, hashed from one: with seed for A and seed + 1 for B, the order of B in one
        # run would be the order of A in another.
        seeds = np.random.SeedSequence([config.seed, "AB".index(domain)]).generate_state(2)
        self._order_seed = int(seeds[0])
        # Philox is a counter-based generator: key and counter determine its output, so that the numbers for a position
        # are found without drawing those for the positions before it. Making the key from a seed takes longer than
        # drawing, and is done once.
        self._augmentation_key = np.random.Philox(int(seeds[1])).state["state"]["key"]
        # Around the end of an epoch, threads that read ahead need the orders of two epochs in turn.
        self._order = functools.lru_cache(maxsize=4)(self._draw_order)
        self._cache = ImageCache(config.data.cache_gib / 2) if config.data.cache_gib > 0 else None
        self.unreadable: dict[int, str] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of images in the domain."""
        return len(self._split)

    def fingerprint(self) -> dict[str, int]:
        """Hashes of the images' names and sizes in bytes, see `data.fingerprint`."""
        return fingerprint(self._split)

    def write(self, position: int, out: Num[np.ndarray, "H W C"]) -> None:
        """Write the image at a position of the sequence, randomly cropped, flipped and changed, to `out`.

        Each pixel of a label map is replaced by the nearest colour of the palette, since a JPEG changes colours.

        Args:
            position: from 0.
            out: an array of `shape` and `dtype`.

        Raises:
            UserError: the image cannot be read or is too small, and `data.on_error` is "stop"; or no image of the
                domain can be used.
        """
        epoch, place = divmod(position, len(self._split))
        order = self._order(epoch)
        # One generator per position, so that an image does not depend on which thread or process made those before it.
        # The last word of the counter is the position; the generator itself counts up the first.
        rng = np.random.Generator(np.random.Philox(key=self._augmentation_key, counter=[0, 0, 0, position]))
        # An unreadable image is replaced by the next one in the order of the epoch, which comes again at its own place.
        for ahead in range(len(order)):
            index = int(order[(place + ahead) % len(order)])
            try:
                image = self._prepared(index)
            except UserError as error:
                if self._config.on_error == "stop":
                    raise
                self._skip(index, str(error))
                continue
            crop = draw_crop(height_width(image), self._config, rng)
            if crop.mirror and self._cache is not None and epoch > 0:
                # Copying a mirrored crop takes 10x the time of a plain copy, so that mirror images are cached too, in
                # the room that is left after the first epoch has cached the images themselves.
                image = self._cache.get((index, "mirrored"), functools.partial(_mirrored, image), warn_if_full=False)
                crop = crop.of_mirrored(image.shape[1])
            crop.write(image, out)
            augmentation = draw_augmentation(self._config.augment(self._domain), rng)
            if augmentation is not None:
                is_rgba = out.shape[2] == 4 and not self._config.has_bands(self._domain)
                augmentation.apply(out, has_alpha=is_rgba)
            if self._is_labels and self._cache is None:
                out[:] = snap_to_palette(out, self._palette)
            return
        raise UserError(
            f"none of the {len(order):,} training images of domain {self._domain} can be used; the first error: "
            f"{self.unreadable[min(self.unreadable)]}"
        )

    @property
    def dtype(self) -> npt.DTypeLike:
        """uint8, or float32 where the domain's value range is given."""
        return np.uint8 if self._config.value_range(self._domain) is None else np.float32

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, channels) of every augmented image."""
        return (*self.size, self._config.channels(self._domain))

    @functools.cached_property
    def size(self) -> Size:
        """Height and width of every augmented image: those of the crop, or without a crop those of the first image.

        Raises:
            UserError: without a crop, the first image cannot be read (or none, if `data.on_error` is "skip").
        """
        if self._config.crops:
            return self._config.crop_size
        for index in range(len(self._split)):
            try:
                image = decode_example(self._split[index], self._config, self._domain)
                return train_size(height_width(image), self._config, self._multiple)
            except UserError:
                if self._config.on_error == "stop":
                    raise
        raise UserError(f"none of the training images of domain {self._domain} can be read")

    def _draw_order(self, epoch: int) -> Int64[np.ndarray, " images"]:
        number = len(self._split)
        if not self._config.shuffle:
            return np.arange(number)
        return np.random.default_rng([self._order_seed, epoch]).permutation(number)

    def _prepared(self, index: int) -> Num[np.ndarray, "H W C"]:
        """Return an image decoded and resized, before crop and flip; from the cache if it is there."""
        if index in self.unreadable:
            raise UserError(self.unreadable[index])
        if self._cache is None:
            return self._prepare(index)
        return self._cache.get(index, lambda: self._snapped(self._prepare(index)))

    def _snapped(self, image: Num[np.ndarray, "H W C"]) -> Num[np.ndarray, "H W C"]:
        # Whole images are worth it only where a cache keeps them: a crop can be a small part of a large image.
        return snap_to_palette(image, self._palette) if self._is_labels else image

    def _prepare(self, index: int) -> Num[np.ndarray, "H W C"]:
        example, config = self._split[index], self._config
        image = decode_example(example, config, self._domain)
        size = train_size(height_width(image), config, self._multiple)
        check_crop_fits(size, config, example.name)
        if not config.crops and size != self.size:
            raise UserError(
                f"the image {example.name} is {size[1]}x{size[0]} pixels once it is resized (data.preprocess is "
                f"{config.preprocess}), but the first of domain {self._domain} is {self.size[1]}x{self.size[0]}: "
                "without a crop all images need one size; use --data.preprocess=scale_shorter_and_crop, crop or "
                "resize_and_crop"
            )
        return resize_example(image, size, config, self._domain)

    def _skip(self, index: int, message: str) -> None:
        with self._lock:
            if index in self.unreadable:
                return
            self.unreadable[index] = message
            number = len(self.unreadable)
        if number <= _LOGGED:
            _LOG.warning(f"skipped: {message}")
        elif number == _LOGGED + 1:
            _LOG.warning(f"skipped more images of domain {self._domain}: the end of the training logs their number")


def _mirrored(image: Num[np.ndarray, "H W C"]) -> Num[np.ndarray, "H W C"]:
    return np.ascontiguousarray(image[:, ::-1])  # in memory order: crops of a mirrored view would be slow to copy


def train_sizes(dataset: Dataset, config: TrainConfig) -> dict[Domain, Size]:
    """Return height and width of the training images of each domain as the networks receive them.

    Raises:
        UserError: without a crop, the size is that of the first image, and it cannot be read.
    """
    return {
        "A": TrainImages(dataset.train_A, config, "A").size,
        "B": TrainImages(dataset.train_B, config, "B").size,
    }
