"""Picture grids of a run: real, generated and reconstructed images side by side."""

from collections.abc import Callable
from typing import Final

import jax
import jax.numpy as jnp

from cyclegan_jax.config import TrainConfig
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.data.picture_grid import picture_grid
from cyclegan_jax.inference import apply
from cyclegan_jax.networks.cyclegan import Networks, Params
from cyclegan_jax.state import image_dtype

HEADINGS: Final = ("A", "A to B", "and back", "B", "B to A", "and back")
"""The columns of the grid: real images, their translations, and the translations of these."""


def make_sampler(
    config: TrainConfig, networks: Networks, images_A: AnyImage, images_B: AnyImage
) -> Callable[[Params], Uint8Image]:
    """Make the function that draws the grid of fixed images with the generators' current parameters.

    Args:
        config: the experiment.
        networks: its networks.
        images_A: (N, H, W, C) uint8, or floats in [-1, 1].
        images_B: the same of domain B.

    Returns:
        A function of both generators' parameters. It returns a (H', W', 3) uint8 picture of N rows with `HEADINGS`.
    """

    @jax.jit
    def translate(generators: Params) -> list[jax.Array]:
        dtype = image_dtype(config)
        real_A, real_B = (images_lib.to_model_range(jnp.asarray(images), dtype) for images in (images_A, images_B))
        fake_B, cycled_A = apply.there_and_back(networks, generators, "AtoB", real_A, config.precision)
        fake_A, cycled_B = apply.there_and_back(networks, generators, "BtoA", real_B, config.precision)
        return [real_A, fake_B, cycled_A, real_B, fake_A, cycled_B]

    def sample(generators: Params) -> Uint8Image:
        columns = [images_lib.to_uint8(column) for column in translate(generators)]
        return picture_grid(HEADINGS, list(zip(*columns, strict=True)))

    return sample
