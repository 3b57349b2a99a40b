"""Look at images as a trained discriminator does: which patches it takes for real."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx

from cyclegan_jax.checkpoints import run as checkpoints
from cyclegan_jax.config import Domain, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import user_images
from cyclegan_jax.inference.user_images import UserImage
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.discriminator import PatchGAN


@dataclass(frozen=True)
class Discriminator:
    """A trained discriminator of one domain.

    Attributes:
        config: the experiment that trained it.
        domain: `A` or `B`, whose images it judges.
        step: the training step of its checkpoint.
        graphdef: its definition: `nnx.merge(graphdef, params)` is the Flax module.
        params: its parameters.
    """

    config: TrainConfig
    domain: Domain
    step: int
    graphdef: nnx.GraphDef[PatchGAN]
    params: Params

    @cached_property
    def _apply(self) -> Any:
        @jax.jit
        def apply(params: Params, images: jax.Array) -> jax.Array:
            with jax.default_matmul_precision(self.config.precision):
                return nnx.merge(self.graphdef, params)(images)[..., 0]

        return apply

    def __call__(self, images: jax.Array | npt.NDArray[Any]) -> jax.Array:
        """Judge (N, H, W, C) floats in [-1, 1]: (N, h, w) scores, one a patch, 1 for real and 0 for generated."""
        scores: jax.Array = self._apply(self.params, images)
        return scores

    def heat_map(self, image: UserImage) -> npt.NDArray[np.float32]:
        """The scores laid over an image of any size, as smooth as patches that overlap.

        Args:
            image: a Pillow picture or an array, as `Generator.translate` takes them.

        Returns:
            (H, W) float32: about 1 where the discriminator sees a real image, about 0 where it sees a generated one.

        Raises:
            UserError: it is no image of the model's.
        """
        pixels = user_images.to_model(image, self.config.data, self.domain).pixels
        height, width = pixels.shape[:2]
        module = nnx.merge(self.graphdef, self.params)
        sides = [
            max(module.min_size, math.ceil(side / module.size_multiple) * module.size_multiple)
            for side in (height, width)
        ]
        padded = np.pad(pixels, ((0, sides[0] - height), (0, sides[1] - width), (0, 0)), mode="edge")
        scores = np.asarray(self(padded[None])[0], np.float32)
        first, step = patch_centres(module)
        return _laid_over(_laid_over(scores, 0, first, step, height), 1, first, step, width)


def patch_centres(module: PatchGAN) -> tuple[float, int]:
    """Where the patches of a discriminator lie: the pixel that the first is centred on, and the step to the next.

    A layer's centre lies half its kernel, less its padding, further on; in pixels, what the layers before it skip.
    """
    first, step = 0.0, 1
    for layer in [*module.convs, module.head]:
        kernel = layer.kernel.shape[0]
        first += ((kernel - 1) / 2 - layer.padding[0][0]) * step
        step *= layer.stride
    return first, step


def _laid_over(
    scores: npt.NDArray[np.float32], axis: int, first: float, step: int, side: int
) -> npt.NDArray[np.float32]:
    """Interpolate linearly between patch centres, and repeat the outermost beyond them."""
    last = scores.shape[axis] - 1
    places = np.clip((np.arange(side) - first) / step, 0, last)
    low = np.floor(places).astype(int)
    share = np.expand_dims(places - low, 1 - axis).astype(np.float32)
    return scores.take(low, axis) * (1 - share) + scores.take(np.minimum(low + 1, last), axis) * share


def load_discriminator(
    run: str | Path, domain: Domain, step: int | Literal["best"] | None = None, *, metric: str | None = None
) -> Discriminator:
    """Load one discriminator of a run; the arguments are those of `load_generator`.

    Raises:
        UserError: there is no such checkpoint or score.
    """
    if domain not in ("A", "B"):
        raise UserError(f"domain is {domain!r}, but it must be A or B")
    run, step = checkpoints.choose(run, step, metric)
    config, step = checkpoints.load_config(run, step)
    params = checkpoints.load_discriminator_params(run, domain, step)
    return Discriminator(config, domain, step, cyclegan.define(config).discriminators[domain], params)
