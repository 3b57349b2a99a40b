"""Paired scores: how near a translation is to its partner, the test image of the other domain with its file name."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, Shaped

from cyclegan_jax.config import DOMAINS, Direction
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.eval_images import spread
from cyclegan_jax.data.images import AnyImage, Uint8Image
from cyclegan_jax.data.picture_grid import picture_grid
from cyclegan_jax.data.resize import resize
from cyclegan_jax.evaluation import l1_psnr_ssim
from cyclegan_jax.evaluation.round_trip import batches, by_shape, half_away, mean_colour
from cyclegan_jax.evaluation.score_table import Column, ScoreTable
from cyclegan_jax.evaluation.test_split import TestSplit, as_picture

MODEL: Final = "model"
UNTRANSLATED: Final = "untranslated"
MEAN_COLOUR: Final = "mean colour"
SHUFFLED: Final = "shuffled"

Measures = dict[str, Float64[np.ndarray, " N"]]
"""By measure of `l1_psnr_ssim`, a value for each image; NaN where it has no partner, or the measure is undefined."""


class PairedScores:
    """The scores of one direction on paired test images; partners and controls are shared by all checkpoints."""

    def __init__(self, split: TestSplit, direction: Direction, dtype: np.dtype[Any]):
        """Measure the controls that do not depend on a model.

        Args:
            split: test images with pairs.
            direction: which generator is scored.
            dtype: the dtype that images are compared in, see `state.image_dtype`.
        """
        self.direction = direction
        source, target = DOMAINS[direction]
        self._source, self._target = source, target
        self._config = split.config
        pairs = split.pairs if source == "A" else [(b, a) for a, b in split.pairs]
        self._inputs = split.images[source]
        self._partners = {place: split.images[target][partner] for place, partner in sorted(pairs)}
        self._names = {place: (split.names[source][place], split.names[target][partner]) for place, partner in pairs}
        self._compare = partial(_compare, dtype=dtype)
        self._others = self._partners_of_others()
        self._controls = self._measure_controls()

    def watch(self) -> "Watched":
        """Return a new receiver of translations, to give to a `round_trip.Translator`."""
        return Watched(self, {MODEL: self._empty(), SHUFFLED: self._empty()})

    def table(self, watched: "Watched") -> ScoreTable:
        """Return the means over pairs, with the controls."""
        found = {MODEL: watched.measures[MODEL], **self._controls, SHUFFLED: watched.measures[SHUFFLED]}
        rows = {_title(row, self.direction): _means(measures) for row, measures in found.items()}
        return ScoreTable(
            f"paired_{self.direction}",
            f"{self._source} -> {self._target} and partner",
            (
                Column("l1", "L1", "lower", record=f"paired_l1_{self.direction}", digits=4),
                Column("psnr", "PSNR", "higher", record=f"paired_psnr_{self.direction}", digits=2),
                Column("ssim", "SSIM", "higher", record=f"paired_ssim_{self.direction}"),
            ),
            {title: tuple(means.get(name) for name in l1_psnr_ssim.MEASURES) for title, means in rows.items()},
            self._notes(_means(found[MODEL]), _means(found[SHUFFLED])),
            {"pairs": len(self._partners)},
        )

    def csv(self, watched: "Watched") -> bytes:
        """Return a CSV file of the model's scores: image, partner, L1, PSNR and SSIM of each pair, in UTF-8."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["image", "partner", *l1_psnr_ssim.MEASURES])
        measures = watched.measures[MODEL]
        for place in self._partners:
            values = [measures[name][place] for name in l1_psnr_ssim.MEASURES]
            writer.writerow([*self._names[place], *("" if np.isnan(value) else f"{value:.6f}" for value in values)])
        # A file name need not be valid UTF-8.
        return text.getvalue().encode(errors="surrogateescape")

    def picture(self, outputs: Sequence[Uint8Image], number: int) -> Uint8Image:
        """Show some test images in rows: the image, its translation, and its partner.

        Args:
            outputs: the translations of all test images of the source domain.
            number: the most rows.
        """
        places = list(self._partners)
        shown = [places[index] for index in spread(len(places), number)]
        return picture_grid(
            (self._source, f"{self._source} to {self._target}", "partner"),
            [
                [
                    as_picture(self._inputs[i], self._config, self._source),
                    outputs[i],
                    as_picture(self._partners[i], self._config, self._target),
                ]
                for i in shown
            ],
        )

    def measure(self, measures: Measures, images: "Images", places: Sequence[int], *, shuffled: bool = False) -> None:
        """Compare images with the partners of the images at some places, and write the values to `measures`.

        An image whose size is not its partner's is first resized to it.

        Args:
            measures: changed.
            images: (N, H, W, C) uint8, or floats in [-1, 1]; more than places, where a batch is filled up.
            places: those of the inputs that the images are translations of.
            shuffled: compare with the partners of other inputs.
        """
        partners = self._others if shuffled else self._partners
        paired = {row: partners[place] for row, place in enumerate(places) if place in partners}
        alike = {row: partner for row, partner in paired.items() if partner.shape[:2] == images.shape[1:3]}
        if alike:
            # Rows without a partner are compared with any, and left out.
            anyone = next(iter(alike.values()))
            found = self._compare(images, np.stack([alike.get(row, anyone) for row in range(len(images))]))
            for name, values in jax.device_get(found).items():
                for row in alike:
                    measures[name][places[row]] = values[row]
        for row, partner in paired.items():
            if row not in alike:
                image = _resized(np.asarray(images[row]), partner)
                for name, values in self._compare(image[np.newaxis], partner[np.newaxis]).items():
                    measures[name][places[row]] = values[0]

    def _measure_controls(self) -> dict[str, Measures]:
        partners = list(self._partners.values())
        colour = mean_colour(partners)
        controls = {MEAN_COLOUR: self._empty()}
        if self._inputs[0].shape[2] == partners[0].shape[2]:
            controls = {UNTRANSLATED: self._empty(), **controls}
        for part, filled in batches(self._inputs):
            inputs = np.stack([self._inputs[place] for place in filled])
            if UNTRANSLATED in controls:
                self.measure(controls[UNTRANSLATED], inputs, part)
            flat = np.broadcast_to(colour, (*inputs.shape[:3], len(colour)))
            self.measure(controls[MEAN_COLOUR], flat, part)
        return controls

    def _partners_of_others(self) -> dict[int, AnyImage]:
        """For the place of each image the partner of another one, of the same size as its own; none if it is alone."""
        places, partners = list(self._partners), list(self._partners.values())
        found: dict[int, AnyImage] = {}
        for group in by_shape(partners):
            if len(group) > 1:
                found |= {places[own]: partners[other] for own, other in half_away(group).items()}
        return found

    def _empty(self) -> Measures:
        return {name: np.full(len(self._inputs), np.nan) for name in l1_psnr_ssim.MEASURES}

    def _notes(self, model: Mapping[str, float], shuffled: Mapping[str, float]) -> tuple[str, ...]:
        notes = []
        number, images = len(self._partners), len(self._inputs)
        if number < images:
            notes.append(f"{number:,} of {images:,} test images of {self._source} have a partner: these are scored.")
        resized = sum(self._inputs[place].shape[:2] != image.shape[:2] for place, image in self._partners.items())
        if resized:
            notes.append(
                f"The sizes of {resized:,} of {number:,} pairs differ: the translation is resized to its partner."
            )
        if "l1" in shuffled and model["l1"] >= shuffled["l1"]:
            notes.append(
                f"Translations into {self._target} are no nearer to their partners than to other images: the model has "
                "learned nothing of the pairs yet, or images of the same name are no pairs."
            )
        return tuple(notes)


Images = Shaped[Array | np.ndarray, "N H W C"]


@dataclass(frozen=True)
class Watched:
    """The scores of one model, filled while its images are translated.

    Attributes:
        scores: the partners.
        measures: the measures of the model, and of the model with shuffled partners.
    """

    scores: PairedScores
    measures: Mapping[str, Measures]

    def __call__(self, places: list[int], fakes: jax.Array) -> None:
        """Compare a batch of translations with their partners; see `round_trip.Watch`."""
        self.scores.measure(self.measures[MODEL], fakes, places)
        self.scores.measure(self.measures[SHUFFLED], fakes, places, shuffled=True)


def _resized(image: AnyImage, partner: AnyImage) -> AnyImage:
    resized = resize(image, *partner.shape[:2], nearest=False)
    return resized if resized.dtype == np.uint8 else np.clip(resized, -1, 1)


@partial(jax.jit, static_argnames="dtype")
def _compare(first: Images, second: Images, dtype: np.dtype[Any]) -> dict[str, Float[Array, " N"]]:
    units = [(images_lib.to_model_range(jnp.asarray(images), dtype) + 1) / 2 for images in (first, second)]
    return l1_psnr_ssim.compare(*units)


def _means(measures: Measures) -> dict[str, float]:
    """The means over pairs; nanmean of NaNs alone would warn."""
    return {name: float(np.nanmean(values)) for name, values in measures.items() if not np.isnan(values).all()}


def _title(row: str, direction: Direction) -> str:
    source, target = DOMAINS[direction]
    return {MODEL: f"{source} -> {target}", UNTRANSLATED: f"{source} untranslated"}.get(row, row)
