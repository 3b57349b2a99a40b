"""What every test may use: 64-bit types, and tiny experiments."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig


@pytest.fixture
def x64() -> Iterator[None]:
    """Float64 arrays, for comparisons that float32's rounding would blur."""
    with jax.enable_x64(True):
        yield


def tiny_config(**changes: Any) -> TrainConfig:
    """An experiment whose step takes milliseconds."""
    config = TrainConfig(
        data=DataConfig(image_size=24, load_size=26),
        generator=GeneratorConfig(blocks=1, width=4),
        discriminator=DiscriminatorConfig(width=4),
        pool_size=3,
    )
    return dataclasses.replace(config, **changes)


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """Six images a domain in training, two in testing; A is red and B is blue."""
    rng = np.random.default_rng(0)
    for split, number in (("trainA", 6), ("trainB", 6), ("testA", 2), ("testB", 2)):
        folder = tmp_path / "photos" / split
        folder.mkdir(parents=True)
        for index in range(number):
            pixels = rng.integers(0, 100, (30, 30, 3), dtype=np.uint8)
            pixels[..., 0 if split.endswith("A") else 2] += 150
            Image.fromarray(pixels).save(folder / f"image{index}.png")
    return tmp_path / "photos"
