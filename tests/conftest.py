"""What every test may use: 64-bit types, and tiny experiments."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import pytest

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
