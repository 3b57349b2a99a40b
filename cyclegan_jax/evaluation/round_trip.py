"""Test images there and back again: what both generators make of them, and how near that is to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.evaluation import l1_psnr_ssim
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params

BATCH: Final = 16
"""Images translated at once; large batches gain nothing at these sizes."""

DIRECTIONS: Final[dict[Domain, tuple[Direction, Direction]]] = {"A": ("AtoB", "BtoA"), "B": ("BtoA", "AtoB")}
"""There and back again, by the domain where the way begins."""

_Images = jax.Array | npt.NDArray[Any]
_Program = Callable[[Params, _Images, _Images, _Images], tuple[jax.Array, jax.Array, dict[str, jax.Array]]]


@dataclass(frozen=True)
class Translations:
    """What became of the test images of one domain, in their order.

    Attributes:
        outputs: in the other domain, each (H, W, C) uint8.
        cycled: back in the domain, (H, W, C) uint8, of the images that were asked for.
        measures: per image, by row and measure as `cycle/l1`; NaN where there is nothing to compare. The rows: `cycle`
            (input against its reconstruction), `shuffled` (another input against it), `mean_colour` (input against the
            mean colour of all inputs); `l1`, `psnr` and `ssim` as in `l1_psnr_ssim`, and `change`, the L1 between
            input and output.
    """

    outputs: list[Uint8Image]
    cycled: dict[int, Uint8Image]
    measures: dict[str, npt.NDArray[np.float64]]


class Translator:
    """Both generators of an experiment as functions of their parameters; compiled once for each shape of a batch."""

    def __init__(self, config: TrainConfig):
        """For the networks of `config`."""
        self._config = config
        self._networks = cyclegan.define(config)
        self._programs: dict[Domain, _Program] = {domain: jax.jit(self._program(domain)) for domain in DIRECTIONS}

    def __call__(
        self, params: Params, domain: Domain, images: Sequence[AnyImage], keep_cycled: Sequence[int] = ()
    ) -> Translations:
        """Translate images of one domain, and back.

        Args:
            params: of both generators, by direction.
            domain: that of the images.
            images: (H, W, C) uint8, or floats in [-1, 1]; their sizes may differ.
            keep_cycled: the places of the images whose reconstruction is wanted as a picture.
        """
        outputs: list[Uint8Image | None] = [None] * len(images)
        cycled: dict[int, Uint8Image] = {}
        measures: dict[str, npt.NDArray[np.float64]] = {}
        colour = _mean_colour(images)
        for places in _by_shape(images):
            # A neighbour is often the next frame of one film.
            others = np.roll(places, len(places) // 2)
            # Powers of two, so that few programs do for groups of many sizes.
            size = min(BATCH, 1 << (len(places) - 1).bit_length())
            for start in range(0, len(places), size):
                part = places[start : start + size]
                # Whole batches, so that one program does for all.
                fill = [part[-1]] * (size - len(part))
                batch = np.stack([images[i] for i in [*part, *fill]])
                other = np.stack([images[i] for i in [*others[start : start + size], *fill]])
                fakes, backs, found = self._programs[domain](params, batch, other, colour)
                fakes_8, backs_8 = images_lib.to_uint8(fakes), images_lib.to_uint8(backs)
                for name, values in jax.device_get(found).items():
                    array = measures.setdefault(name, np.full(len(images), np.nan))
                    alone = len(places) == 1 and name.startswith("shuffled/")
                    array[part] = np.nan if alone else values[: len(part)]
                for row, place in enumerate(part):
                    outputs[place] = fakes_8[row]
                    if place in keep_cycled:
                        cycled[place] = backs_8[row]
        return Translations([output for output in outputs if output is not None], cycled, measures)

    def _program(self, domain: Domain) -> _Program:
        there, back = DIRECTIONS[domain]
        dtype = jnp.promote_types(self._config.dtype, jnp.float32)

        def unit(images: jax.Array) -> jax.Array:
            return (images.astype(dtype) + 1) / 2

        def program(
            params: Params, images: _Images, others: _Images, colour: _Images
        ) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
            inputs, others = (images_lib.to_model_range(jnp.asarray(part), dtype) for part in (images, others))
            with jax.default_matmul_precision(self._config.precision):
                fakes = self._networks.generate(params, there, inputs)
                backs = self._networks.generate(params, back, fakes)
            flat = jnp.broadcast_to(colour.astype(dtype), inputs.shape)
            pairs = {"cycle": (inputs, backs), "shuffled": (others, backs), "mean_colour": (inputs, flat)}
            measures = {
                f"{row}/{name}": values
                for row, (first, second) in pairs.items()
                for name, values in l1_psnr_ssim.compare(unit(first), unit(second)).items()
            }
            if fakes.shape == inputs.shape:
                measures["cycle/change"] = l1_psnr_ssim.l1(unit(inputs), unit(fakes))
                measures["shuffled/change"] = l1_psnr_ssim.l1(unit(others), unit(fakes))
            keep = jnp.promote_types(fakes.dtype, jnp.float32)
            return fakes.astype(keep), backs.astype(keep), measures

        return program


def _by_shape(images: Sequence[AnyImage]) -> list[list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        groups.setdefault(image.shape, []).append(place)
    return list(groups.values())


def _mean_colour(images: Sequence[AnyImage]) -> npt.NDArray[np.float32]:
    """The mean of all pixels in [-1, 1], (C,)."""
    total = sum(image.reshape(-1, image.shape[2]).sum(axis=0, dtype=np.float64) for image in images)
    mean = np.asarray(total) / sum(image.shape[0] * image.shape[1] for image in images)
    return (mean / 127.5 - 1 if images[0].dtype == np.uint8 else mean).astype(np.float32)
