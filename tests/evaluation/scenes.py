"""A labelled data set of tiny scenes, and functions such as a user would write: segmenters and features."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from cyclegan_jax import optimizer, state
from cyclegan_jax.checkpoints.writer import CheckpointWriter
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from cyclegan_jax.data import palette


def write_scenes(root: Path, number: int = 4) -> None:
    """Write label maps of road and sky to A, and to B photos whose gray shows the class, with paired file names."""
    rng = np.random.default_rng(0)
    colors = palette.color_array()
    for split in ("trainA", "trainB", "testA", "testB"):
        (root / split).mkdir(parents=True)
    for split in ("train", "test"):
        for index in range(number):
            horizon = int(rng.integers(6, 16))
            ids = np.where(np.arange(20)[:, None] < horizon, 10, 0) * np.ones((1, 20), int)
            Image.fromarray(colors[ids]).save(root / f"{split}A" / f"scene{index}.png")
            gray = np.where(ids == 10, 190, 60)[..., None] + rng.integers(-20, 20, (20, 20, 3))
            Image.fromarray(gray.astype(np.uint8)).save(root / f"{split}B" / f"scene{index}.bmp")


def config(data: Path, **changes: Any) -> TrainConfig:
    """The smallest experiment on the scenes."""
    values = {
        "data": DataConfig(dir=str(data), labels="A", image_size=16, load_size=18),
        "generator": GeneratorConfig(blocks=0, width=2),
        "discriminator": DiscriminatorConfig(width=2, n_layers=1),
        "pool_size": 3,
    }
    return TrainConfig(**{**values, **changes})


def save_run(config: TrainConfig, workdir: Path, steps: int = 1) -> None:
    """Save checkpoints of steps 1 to `steps` with random weights, like those of a trained run."""
    fresh = state.create(config, optimizer.adam(config.optimizer))
    rng = np.random.default_rng(0)
    for step in range(1, steps + 1):
        # Weights as small as fresh ones would make every output the same gray.
        strong = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.2, leaf.shape), leaf.dtype), fresh.generators)
        with CheckpointWriter(workdir, config) as checkpoints:
            checkpoints.save(fresh._replace(step=jnp.int32(step), generators=strong), {})


def read_photos(photos: np.ndarray) -> np.ndarray:
    """A segmentation model that is perfect for the scenes: a bright pixel is sky."""
    return np.where(photos.mean(axis=-1) > 125, 10, 0).astype(np.uint8)


def read_nothing(photos: np.ndarray) -> np.ndarray:
    """A segmentation model that answers `train` everywhere."""
    return np.full(photos.shape[:3], 16, np.uint8)


def mean_colours(images: np.ndarray) -> np.ndarray:
    """Features [N, 6]: the mean colours of the upper and the lower half."""
    half = images.shape[1] // 2
    return np.concatenate([images[:, :half].mean(axis=(1, 2)), images[:, half:].mean(axis=(1, 2))], axis=1) / 255


def broken(images: np.ndarray) -> np.ndarray:
    """Features of a wrong shape: a single number."""
    return images.mean()
