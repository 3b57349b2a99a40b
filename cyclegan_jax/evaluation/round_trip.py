"""Translating test images to the other domain and back, and measuring how near the reconstructions are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Float64, Shaped, UInt8

from cyclegan_jax.config import OTHER_DOMAIN, Direction, Domain, TrainConfig
from cyclegan_jax.data import bands
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.evaluation import l1_psnr_ssim
from cyclegan_jax.inference import apply
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.state import image_dtype

BATCH: Final = 16
"""The most images in a batch; larger batches are no faster at these sizes."""

_WAY_THERE: Final[dict[Domain, Direction]] = {"A": "AtoB", "B": "BtoA"}

_Images = Shaped[Array | np.ndarray, "N H W C"]
_Colour = Float[Array | np.ndarray, " C"]
Watch = Callable[[list[int], jax.Array], None]
"""Receives places of images and a batch of their translations, floats in [-1, 1], whose further rows fill it up."""
_Program = Callable[[Params, _Images, _Images, _Colour], tuple[jax.Array, jax.Array, dict[str, jax.Array]]]


@dataclass(frozen=True)
class Translations:
    """The translations of the test images of one domain, in their order.

    Attributes:
        outputs: the images in the other domain, as pictures: of bands, those that pictures show.
        cycled: the reconstructions that were asked for, by the place of their image.
        measures: one value per image, by row and measure, such as `cycle/l1`; NaN where there is nothing to compare.
            The rows are `cycle` (input and reconstruction), `shuffled` (another input and the reconstruction) and
            `mean_colour` (input and the mean colour of all inputs). The measures are `l1`, `psnr` and `ssim`, see
            `l1_psnr_ssim`, and `change`, the L1 between input and output.
    """

    outputs: list[UInt8[np.ndarray, "_ _ _"]]
    cycled: dict[int, UInt8[np.ndarray, "_ _ _"]]
    measures: dict[str, Float64[np.ndarray, " N"]]


class Translator:
    """Both generators of an experiment as functions of their parameters; compiled once for each shape of a batch."""

    def __init__(self, config: TrainConfig):
        """Define the networks of `config`."""
        self._config = config
        self._networks = cyclegan.define(config)
        self._programs: dict[Domain, _Program] = {domain: jax.jit(self._program(domain)) for domain in _WAY_THERE}

    def __call__(
        self,
        params: Params,
        domain: Domain,
        images: Sequence[AnyImage],
        keep_cycled: Sequence[int] = (),
        watch: Watch | None = None,
    ) -> Translations:
        """Translate images of one domain to the other and back.

        Args:
            params: the parameters of both generators, by direction.
            domain: the domain of the images.
            images: (H, W, C) uint8, or floats in [-1, 1]; their sizes may differ.
            keep_cycled: the places of the images whose reconstruction is returned as a picture.
            watch: is called with each batch of translations, before they are rounded to 8 bits.
        """
        outputs: list[Uint8Image | None] = [None] * len(images)
        cycled: dict[int, Uint8Image] = {}
        measures: dict[str, Float64[np.ndarray, " N"]] = {}
        colour = mean_colour(images)
        others = _others(images)
        for part, filled in batches(images):
            batch = np.stack([images[place] for place in filled])
            other = np.stack([images[others[place]] for place in filled])
            fakes, backs, found = self._programs[domain](params, batch, other, colour)
            if watch is not None:
                watch(part, fakes)
            fakes_8, backs_8 = (
                bands.picture(images_lib.to_uint8(each), self._config.data, of)
                for each, of in ((fakes, OTHER_DOMAIN[domain]), (backs, domain))
            )
            for name, values in jax.device_get(found).items():
                array = measures.setdefault(name, np.full(len(images), np.nan))
                alone = name.startswith("shuffled/") and others[part[0]] == part[0]
                array[part] = np.nan if alone else values[: len(part)]
            for row, place in enumerate(part):
                outputs[place] = fakes_8[row]
                if place in keep_cycled:
                    cycled[place] = backs_8[row]
        return Translations([output for output in outputs if output is not None], cycled, measures)

    def _program(self, domain: Domain) -> _Program:
        there = _WAY_THERE[domain]
        dtype = image_dtype(self._config)

        def unit(images: Float[Array, "N H W C"]) -> Float[Array, "N H W C"]:
            return (images + 1) / 2

        def program(
            params: Params, images: _Images, others: _Images, colour: _Colour
        ) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
            inputs, others = (images_lib.to_model_range(jnp.asarray(part), dtype) for part in (images, others))
            fakes, backs = apply.there_and_back(self._networks, params, there, inputs, self._config.precision)
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
            return fakes, backs, measures

        return program


def batches(images: Sequence[AnyImage]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the places of the images in batches of one shape: those of a batch, and the same filled up.

    Batch sizes are powers of two, so that groups of many sizes need few programs; the last batch of a group is filled
    up, so that it needs no program of its own.
    """
    for places in by_shape(images):
        size = min(BATCH, 1 << (len(places) - 1).bit_length())
        for start in range(0, len(places), size):
            part = places[start : start + size]
            yield part, [*part, *[part[-1]] * (size - len(part))]


def by_shape(images: Sequence[AnyImage]) -> list[list[int]]:
    """The places of the images in groups of one shape."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        groups.setdefault(image.shape, []).append(place)
    return list(groups.values())


def _others(images: Sequence[AnyImage]) -> dict[int, int]:
    """For the place of each image that of another of its shape; its own where there is no other."""
    return {place: other for places in by_shape(images) for place, other in half_away(places).items()}


def half_away(places: Sequence[int]) -> dict[int, int]:
    """For each place another one, half of the places away: neighbours are often frames of one film."""
    return dict(zip(places, np.roll(places, len(places) // 2).tolist(), strict=True))


def mean_colour(images: Sequence[AnyImage]) -> Float32[np.ndarray, " C"]:
    """The mean of all pixels, in [-1, 1]."""
    total = sum(image.reshape(-1, image.shape[2]).sum(axis=0, dtype=np.float64) for image in images)
    mean = np.asarray(total) / sum(image.shape[0] * image.shape[1] for image in images)
    return (mean / 127.5 - 1 if images[0].dtype == np.uint8 else mean).astype(np.float32)
