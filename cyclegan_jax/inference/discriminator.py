"""A trained discriminator: which patches of an image it takes for real."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from cyclegan_jax.checkpoints.opened import Checkpoint, read_from
from cyclegan_jax.config import Domain, TrainConfig
from cyclegan_jax.inference import user_images
from cyclegan_jax.inference.user_images import UserImage
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.discriminator import PatchGAN
from cyclegan_jax.networks.layers import accepted_side


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
        def apply(params: Params, images: Float[Array, "N H W C"]) -> Float[Array, "N h w"]:
            with jax.default_matmul_precision(self.config.precision):
                return nnx.merge(self.graphdef, params)(images)[..., 0]

        return apply

    def __call__(self, images: Float[Array | np.ndarray, "N H W C"]) -> Float[Array, "N h w"]:
        """Score each patch of images in [-1, 1]: about 1 for real, about 0 for generated with `loss.gan=lsgan`.

        With the other losses a higher score is more real, without bounds; 0 is in between for `vanilla` and `hinge`.
        """
        return self._apply(self.params, images)

    def heat_map(self, image: UserImage) -> Float[np.ndarray, "H W"]:
        """Interpolate the scores over an image of any size.

        Args:
            image: a Pillow picture or an array, as `Generator.translate` takes them.

        Returns:
            (H, W) float32, higher where the discriminator sees a real image, lower where it sees a generated one: about
            1 and 0 with `loss.gan=lsgan`, without bounds with the other losses.

        Raises:
            UserError: it is not an image, or its values are not of the kind that the model was trained with.
        """
        pixels = user_images.to_model(image, self.config.data, self.domain).pixels
        height, width = pixels.shape[:2]
        module = nnx.merge(self.graphdef, self.params)
        sides = [
            accepted_side(side, multiple=module.size_multiple, minimum=module.min_size) for side in (height, width)
        ]
        padded = np.pad(pixels, ((0, sides[0] - height), (0, sides[1] - width), (0, 0)), mode="edge")
        scores = np.asarray(self(padded[None])[0], np.float32)
        first, step = patch_centres(module)
        return _interpolated(_interpolated(scores, 0, first, step, height), 1, first, step, width)


def patch_centres(module: PatchGAN) -> tuple[float, int]:
    """The pixel on which a discriminator's first patch is centred, and the distance to the next centre, in pixels."""
    first, step = 0.0, 1
    for index, layer in enumerate([*module.convs, module.head]):
        kernel = layer.kernel.shape[0]
        # Each layer moves the centre by half its kernel less its padding, in units of the strides before it.
        first += ((kernel - 1) / 2 - layer.padding[0][0]) * step
        # A blur after the layer, which is symmetric, moves no centre.
        step *= 2 if index < module.blurred else layer.stride
    return first, step


def _interpolated(
    scores: Float[np.ndarray, "_ _"], axis: int, first: float, step: int, side: int
) -> Float[np.ndarray, "_ _"]:
    """Interpolate linearly between patch centres along one axis; pixels beyond the outermost centre take its score."""
    last = scores.shape[axis] - 1
    places = np.clip((np.arange(side) - first) / step, 0, last)
    low = np.floor(places).astype(int)
    share = np.expand_dims(places - low, 1 - axis).astype(np.float32)
    return scores.take(low, axis) * (1 - share) + scores.take(np.minimum(low + 1, last), axis) * share


def load_discriminator(
    run: str | Path, domain: Domain, step: int | str | None = None, *, metric: str | None = None
) -> Discriminator:
    """Load one discriminator of a run; the other arguments are those of `load_generator`.

    Args:
        run: the work directory of a run, or the folder of one of its checkpoints.
        domain: `A` or `B`, whose images it judges.
        step: which checkpoint: its step; "epoch:N", the one that ends the epoch N; "best", the one with the best score;
            None is the newest.
        metric: which score decides the best.

    Raises:
        UserError: there is no such checkpoint or score, or what is read is damaged.
    """

    def load(checkpoint: Checkpoint) -> Discriminator:
        params = checkpoint.discriminator(domain)
        definition = checkpoint.networks.discriminators[domain]
        return Discriminator(checkpoint.config, domain, checkpoint.step, definition, params)

    return read_from(run, step, metric, load)
