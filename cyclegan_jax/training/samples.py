"""Picture grids of a run: real, generated and reconstructed images side by side."""

from collections.abc import Callable
from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np

from cyclegan_jax.config import DOMAINS, OPPOSITE, Direction, TrainConfig
from cyclegan_jax.data import bands
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

    One image is translated at a time, so that a grid needs less memory than a step; and by one program for all four
    columns where the definitions of the generators are equal, which takes a fourth of the time to compile.

    Args:
        config: the experiment.
        networks: its networks.
        images_A: (N, H, W, C) uint8, or floats in [-1, 1].
        images_B: the same of domain B.

    Returns:
        A function of both generators' parameters. It returns a (H', W', 3) uint8 picture of N rows with `HEADINGS`.
    """
    # The definition is an argument, not a constant of the program: equal ones share it.
    translate = jax.jit(partial(apply.translate, precision=config.precision), static_argnums=0)

    def there_and_back(generators: Params, direction: Direction, image: AnyImage) -> list[Uint8Image]:
        shown = [images_lib.to_model_range(jnp.asarray(image[np.newaxis]), image_dtype(config))]
        for way in (direction, OPPOSITE[direction]):
            shown.append(translate(networks.generators[way], generators[way], shown[-1]))
        source, target = DOMAINS[direction]
        pairs = zip(shown, (source, target, source), strict=True)
        return [bands.picture(images_lib.to_uint8(each)[0], config.data, domain) for each, domain in pairs]

    def sample(generators: Params) -> Uint8Image:
        rows = [
            there_and_back(generators, "AtoB", image_A) + there_and_back(generators, "BtoA", image_B)
            for image_A, image_B in zip(images_A, images_B, strict=True)
        ]
        return picture_grid(HEADINGS, rows)

    return sample
