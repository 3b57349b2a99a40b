"""Small splits, images and configs that the tests of data and of evaluation share."""

import io
from typing import Any

import numpy as np
from PIL import Image

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.data import palette
from cyclegan_jax.data.dataset import SPLITS, Dataset, Example, MemorySplit
from cyclegan_jax.data.images import Uint8Image


def example(pixels: Uint8Image, name: str, kind: str = "PNG", **options: Any) -> Example:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return Example(stream.getvalue(), name)


def split_of(*examples: Example) -> MemorySplit:
    return MemorySplit(examples)


def by_split(dataset: Dataset) -> dict[str, list[Example]]:
    """All examples of trainA, trainB, testA and testB."""
    splits = (dataset.train_A, dataset.train_B, dataset.test_A, dataset.test_B)
    return {name: [split[index] for index in range(len(split))] for name, split in zip(SPLITS, splits, strict=True)}


def counts(dataset: Dataset) -> dict[str, int]:
    """The number of images in trainA, trainB, testA and testB."""
    return {name: len(examples) for name, examples in by_split(dataset).items()}


def numbered(count: int) -> MemorySplit:
    """Images whose pixels all hold their index."""
    return split_of(*(example(np.full((10, 10, 3), i, np.uint8), f"{i}.png") for i in range(count)))


def noisy(count: int, seed: int) -> MemorySplit:
    rng = np.random.default_rng(seed)
    return split_of(*(example(rng.integers(0, 256, (12, 15, 3), dtype=np.uint8), f"{i}.png") for i in range(count)))


def config(batch_size: int = 1, seed: int = 0, image_size: int | str = 8, **data: Any) -> TrainConfig:
    return TrainConfig(data=DataConfig(image_size=image_size, **data), batch_size=batch_size, seed=seed)


def label_pictures(kind: str = "PNG", **options: Any) -> MemorySplit:
    rng = np.random.default_rng(0)
    maps = palette.color_array()[rng.integers(0, 19, (4, 5, 5))].repeat(6, axis=1).repeat(6, axis=2)
    return split_of(*(example(pixels, f"{i}.x", kind, **options) for i, pixels in enumerate(maps)))


def only_palette(pixels: Uint8Image) -> bool:
    known = {tuple(color) for color in palette.color_array(unlabelled=True).tolist()}
    return {tuple(color) for color in pixels.reshape(-1, 3).tolist()} <= known
