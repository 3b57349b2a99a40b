"""Use a trained generator: load it from a run, with nothing to retype, and call it on images."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from cyclegan_jax.checkpoints import run as checkpoints
from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import user_images
from cyclegan_jax.inference.any_size import TILE, AnySize
from cyclegan_jax.inference.user_images import UserImage
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.generator import ResNetGenerator


@dataclass(frozen=True)
class Generator:
    """A trained generator of one direction.

    Attributes:
        config: the experiment that trained it.
        direction: `AtoB` or `BtoA`.
        step: the training step of its checkpoint.
        graphdef: its definition: `nnx.merge(graphdef, params)` is the Flax module.
        params: its parameters.
    """

    config: TrainConfig
    direction: Direction
    step: int
    graphdef: nnx.GraphDef[ResNetGenerator]
    params: Params

    @property
    def domains(self) -> tuple[Domain, Domain]:
        """The domain it takes and the one it makes."""
        return ("A", "B") if self.direction == "AtoB" else ("B", "A")

    @cached_property
    def _apply(self) -> Any:
        @jax.jit
        def apply(params: Params, images: jax.Array) -> jax.Array:
            with jax.default_matmul_precision(self.config.precision):
                return nnx.merge(self.graphdef, params)(images)

        return apply

    def __call__(self, images: jax.Array | npt.NDArray[Any]) -> jax.Array:
        """Translate images; compiled once for each shape.

        Args:
            images: (N, H, W, C) float in [-1, 1]; H and W multiples of 4, at least 8.

        Returns:
            (N, H, W, C) in [-1, 1], float32 at least.

        Raises:
            UserError: the shape or the type is not one it takes.
        """
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise UserError(
                f"a generator takes float images in [-1, 1], but was given {images.dtype}: for uint8 images call "
                ".translate_uint8(images)"
            )
        output = self._apply(self.params, images)
        return output.astype(jnp.promote_types(output.dtype, jnp.float32))

    @cached_property
    def _any_size(self) -> AnySize:
        return AnySize(self.graphdef, self.params, self.config.generator, self.config.precision)

    @overload
    def translate(self, images: list[UserImage], *, batch_size: int = 8, tile: int = TILE) -> list[UserImage]: ...

    @overload
    def translate(self, images: UserImage, *, batch_size: int = 8, tile: int = TILE) -> UserImage: ...

    def translate(
        self, images: UserImage | list[UserImage], *, batch_size: int = 8, tile: int = TILE
    ) -> UserImage | list[UserImage]:
        """Translate images of any size; each comes back as it went in: the kind, the size, the transparency.

        Sides that the network does not take are padded by mirroring, and cropped again. Programs are compiled for a few
        sizes (`any_size.bucket`), without an effect on the result. Images with a side above 2048 pixels are made in
        tiles.

        Args:
            images: a Pillow picture; an array (H, W), (H, W, C) or (N, H, W, C) with C from 1 to 4; or a list of them,
                of any sizes. Gray or RGB, with transparency or not, turns into the channels that the model takes.
                Values are uint8, or where the model was trained with a stated range, any within it.
            batch_size: at most so many at once; of large images fewer, for memory's sake.
            tile: side of the tiles, pixels; larger ones take more memory and less time.

        Returns:
            The same kind; uint8, or where the model's images have a stated range, values in it: uint16 where whole
            numbers fit, float32 otherwise.

        Raises:
            UserError: something is not an image, or its values are not of the kind that the model was trained with.
        """
        source, target = self.domains

        def all_of(several: list[UserImage]) -> list[UserImage]:
            ready = [user_images.to_model(image, self.config.data, source) for image in several]
            outputs = self._any_size([image.pixels for image in ready], batch_size=batch_size, tile=tile)
            pairs = zip(outputs, ready, strict=True)
            return [user_images.from_model(output, image, self.config.data, target) for output, image in pairs]

        return user_images.each(images, all_of)

    def translate_uint8(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Translate (N, H, W, C) uint8 images in [0, 255] to uint8 images of the other domain."""
        scaled = images_lib.to_model_range(jnp.asarray(images), jnp.promote_types(self.config.dtype, jnp.float32))
        return images_lib.to_uint8(self(scaled))


def load_generator(
    run: str | Path,
    direction: Direction = "AtoB",
    step: int | Literal["best"] | None = None,
    *,
    ema: bool | None = None,
    metric: str | None = None,
) -> Generator:
    """Load one generator of a run; nothing else of the checkpoint is read.

    Args:
        run: the work directory of a run, or the folder of one of its checkpoints.
        direction: `AtoB` or `BtoA`.
        step: which checkpoint; None is the newest, "best" the one with the best score.
        ema: the moving average of the weights; None takes it where the run kept one.
        metric: whose best; None where the run was scored by one metric alone, or all agree.

    Raises:
        UserError: there is no such checkpoint or score, or no moving average in it.
    """
    if direction not in ("AtoB", "BtoA"):
        raise UserError(f"direction is {direction!r}, but it must be AtoB or BtoA")
    run, step = checkpoints.choose(run, step, metric)
    config, step = checkpoints.load_config(run, step)
    if ema and config.ema_decay == 0:
        raise UserError(f"{run} kept no moving average of its weights: train with --ema_decay, or leave ema out")
    use_ema = config.ema_decay > 0 if ema is None else ema
    params = checkpoints.load_generator_params(run, direction, step, ema=use_ema)
    return Generator(config, direction, step, cyclegan.define(config).generators[direction], params)
