"""The images that an evaluation looks at: the test split in memory, its pairs, and training images to compare with."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.dataset import Dataset, Split
from cyclegan_jax.data.eval_images import eval_image
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.data.pairs import paired
from cyclegan_jax.errors import UserError


@dataclass(frozen=True)
class TestSplit:
    """The test images of a data set, decoded.

    Attributes:
        config: the data.
        images: of each domain, (H, W, C) uint8 or float32 in [-1, 1]; their sizes may differ.
        pairs: places in A and in B of images that belong together; empty where the data has no label maps.
        unpaired: why there are no pairs where there are label maps, or None.
        limited: whether these are fewer images than there are.
        skipped: how many could not be read.
        data: the data set, for its training images.
    """

    __test__ = False  # not a test, whatever its name

    config: DataConfig
    images: dict[Domain, list[AnyImage]]
    pairs: tuple[tuple[int, int], ...]
    unpaired: str | None
    limited: bool
    skipped: int
    data: Dataset

    def train_images(self, domain: Domain, number: int | None = None) -> Iterator[AnyImage]:
        """Training images of one domain as they would be tested: `number` of them from all over the split, or all."""
        split = self.data.train_A if domain == "A" else self.data.train_B
        number = len(split) if number is None else min(number, len(split))
        for place in spread(len(split), number):
            image = _read(split, place, self.config, domain)
            if image is not None:
                yield image


def load(data: Dataset, config: DataConfig, number: int | None = None) -> TestSplit:
    """Decode the test images.

    Args:
        data: the data set.
        config: its fields; `on_error="skip"` leaves images out that cannot be read.
        number: at most so many of each domain, from all over the split (pairs together); None takes all.

    Raises:
        UserError: there are no test images in a domain, or one cannot be read.
    """
    splits: dict[Domain, Split] = {"A": data.test_A, "B": data.test_B}
    for domain, split in splits.items():
        if not len(split):
            raise UserError(
                f"there are no test images of domain {domain} to evaluate with: put them in the folder test{domain} of "
                f"data.dir, or train with --data.test_{domain}, or name a folder that has both by --data_dir"
            )
    pairs: list[tuple[int, int]] = []
    unpaired = None
    if config.labels is not None:
        try:
            pairs = paired(data.test_A, data.test_B)
        except UserError as error:
            unpaired = str(error)

    places: dict[Domain, list[int]] = {domain: list(range(len(split))) for domain, split in splits.items()}
    if number is not None and pairs:
        pairs = [pairs[index] for index in spread(len(pairs), number)]
        places = {"A": sorted(a for a, _ in pairs), "B": sorted(b for _, b in pairs)}
    elif number is not None:
        places = {domain: spread(len(split), number) for domain, split in splits.items()}
    images: dict[Domain, list[AnyImage]] = {"A": [], "B": []}
    found: dict[Domain, dict[int, int]] = {"A": {}, "B": {}}
    skipped = 0
    for domain, split in splits.items():
        for place in places[domain]:
            image = _read(split, place, config, domain)
            if image is None:
                skipped += 1
                continue
            found[domain][place] = len(images[domain])
            images[domain].append(image)
        if not images[domain]:
            raise UserError(f"none of the test images of domain {domain} can be read: look at the first of them")
    return TestSplit(
        config=config,
        images=images,
        pairs=tuple((found["A"][a], found["B"][b]) for a, b in pairs if a in found["A"] and b in found["B"]),
        unpaired=unpaired,
        limited=any(len(places[domain]) < len(split) for domain, split in splits.items()),
        skipped=skipped,
        data=data,
    )


def as_uint8(image: AnyImage) -> Uint8Image:
    """An image of any kind as it would be saved in 8 bits."""
    return image if image.dtype == np.uint8 else images_lib.to_uint8(image)


def _read(split: Split, place: int, config: DataConfig, domain: Domain) -> AnyImage | None:
    try:
        return eval_image(split[place], config, domain)
    except UserError:
        if config.on_error == "skip":
            return None
        raise


def spread(total: int, number: int) -> list[int]:
    """Places from all over a split of `total` images; the first ones in a row would often be frames of one film."""
    number = min(number, total)
    return [index * total // number for index in range(number)]
