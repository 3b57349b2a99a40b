"""The images of an evaluation: the decoded test split, its pairs, and training images for the controls."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cyclegan_jax.config import DataConfig, Domain
from cyclegan_jax.data import bands
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.dataset import Dataset, Split
from cyclegan_jax.data.eval_images import RESNET_MULTIPLE, eval_image, spread
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.data.pairs import NoPairsError, paired
from cyclegan_jax.errors import UserError


@dataclass(frozen=True)
class TestSplit:
    """The decoded test images of a data set.

    Attributes:
        config: the config of the data set.
        images: the images of each domain, (H, W, C) uint8 or float32 in [-1, 1]; their sizes may differ.
        names: their file names, without folders; empty lists where there are no pairs.
        pairs: indices into `images` of A and of B that belong together.
        unpaired: why there are no pairs, or None. Photos whose names do not pair are unpaired data, without a reason.
        limited: whether `images` is only a part of the test split.
        skipped: the number of images that could not be read.
        data: the data set, for its training images.
        multiple: of what heights and widths are multiples.
    """

    __test__ = False  # pytest would collect a class of this name

    config: DataConfig
    images: dict[Domain, list[AnyImage]]
    names: dict[Domain, list[str]]
    pairs: tuple[tuple[int, int], ...]
    unpaired: str | None
    limited: bool
    skipped: int
    data: Dataset
    multiple: int = RESNET_MULTIPLE

    def train_images(self, domain: Domain, number: int | None = None) -> Iterator[AnyImage]:
        """Decode training images of one domain like test images: `number` spread over the split, or all."""
        split = self.data.train_A if domain == "A" else self.data.train_B
        number = len(split) if number is None else min(number, len(split))
        for index in spread(len(split), number):
            image = _read(split, index, self.config, domain, self.multiple)
            if image is not None:
                yield image


def load(data: Dataset, config: DataConfig, number: int | None = None, multiple: int = RESNET_MULTIPLE) -> TestSplit:
    """Decode the test images.

    Args:
        data: the data set.
        config: its config; with `on_error="skip"` images that cannot be read are left out.
        number: at most this many images of each domain, spread over the split, pairs together; None takes all.
        multiple: of what heights and widths are multiples, `GeneratorConfig.size_multiple`.

    Raises:
        UserError: a domain has no test images, or an image cannot be read.
    """
    splits: dict[Domain, Split] = {"A": data.test_A, "B": data.test_B}
    for domain, split in splits.items():
        if not len(split):
            raise UserError(
                f"there are no test images of domain {domain} to evaluate with: put them in the folder test{domain} of "
                f"data.dir, or train with --data.test_{domain}, or name a folder that has both by --data_dir"
            )
    pairs, unpaired = _pairs(data, config)
    chosen, pairs = _choose(splits, pairs, number)
    decoded = {domain: _decode(split, chosen[domain], config, domain, multiple) for domain, split in splits.items()}
    # An image's index in the split -> its index among the images that could be read.
    found = {domain: {index: new for new, index in enumerate(images)} for domain, images in decoded.items()}
    return TestSplit(
        config=config,
        images={domain: list(images.values()) for domain, images in decoded.items()},
        names={domain: _file_names(splits[domain], images if pairs else ()) for domain, images in decoded.items()},
        pairs=tuple((found["A"][a], found["B"][b]) for a, b in pairs if a in found["A"] and b in found["B"]),
        unpaired=unpaired,
        limited=any(len(chosen[domain]) < len(split) for domain, split in splits.items()),
        skipped=sum(len(chosen[domain]) - len(images) for domain, images in decoded.items()),
        data=data,
        multiple=multiple,
    )


def as_picture(image: AnyImage, config: DataConfig, domain: Domain) -> Uint8Image:
    """Return an image of a domain, uint8 or floats in [-1, 1], as 8 bits; of bands, those that pictures show."""
    return bands.picture(image if image.dtype == np.uint8 else images_lib.to_uint8(image), config, domain)


def _pairs(data: Dataset, config: DataConfig) -> tuple[list[tuple[int, int]], str | None]:
    """The pairs of the test split, and why there are none although there could be."""
    if config.labels is None and config.name_A is not None:
        return [], None  # two labelled sets, whose images are named by their numbers
    try:
        return paired(data.test_A, data.test_B), None
    except UserError as error:
        # An error only if label scores were asked for; the other scores need no pairs.
        is_ordinary = config.labels is None and isinstance(error, NoPairsError)
        return [], None if is_ordinary else str(error)


def _file_names(split: Split, indices: Collection[int]) -> list[str]:
    names = split.names() if indices else ()
    return [Path(names[index]).name for index in indices]


def _choose(
    splits: Mapping[Domain, Split], pairs: list[tuple[int, int]], number: int | None
) -> tuple[dict[Domain, list[int]], list[tuple[int, int]]]:
    """Choose the indices of the test images to decode in each domain, and the pairs among them.

    Where fewer images than `number` have a partner, others are added.
    """
    if number is None:
        return {domain: list(range(len(split))) for domain, split in splits.items()}, pairs
    pairs = [pairs[index] for index in spread(len(pairs), number)]
    partners: dict[Domain, set[int]] = {"A": {a for a, _ in pairs}, "B": {b for _, b in pairs}}
    chosen = {}
    for domain, split in splits.items():
        others = [index for index in range(len(split)) if index not in partners[domain]]
        added = spread(len(others), number - len(pairs))
        chosen[domain] = sorted([*partners[domain], *(others[place] for place in added)])
    return chosen, pairs


def _decode(split: Split, indices: list[int], config: DataConfig, domain: Domain, multiple: int) -> dict[int, AnyImage]:
    """Decode images of a split; the result lacks those that cannot be read, if the config allows that."""
    read = {index: _read(split, index, config, domain, multiple) for index in indices}
    images = {index: image for index, image in read.items() if image is not None}
    if not images:
        raise UserError(f"none of the test images of domain {domain} can be read: check the first of them")
    return images


def _read(split: Split, index: int, config: DataConfig, domain: Domain, multiple: int) -> AnyImage | None:
    try:
        return eval_image(split[index], config, domain, multiple)
    except UserError:
        if config.on_error == "skip":
            return None
        raise
