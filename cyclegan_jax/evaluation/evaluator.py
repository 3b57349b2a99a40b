"""Evaluates a pair of generators on a test split; used during training and by `cyclegan-jax evaluate`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jax
import numpy as np

from cyclegan_jax.config import DOMAINS, OTHER_DOMAIN, DataConfig, Domain, TrainConfig
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.eval_images import spread
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.palette import CITYSCAPES
from cyclegan_jax.data.palette_file import palette_of
from cyclegan_jax.data.picture_grid import picture_grid
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import test_split as splits
from cyclegan_jax.evaluation.features import INCEPTION, Extractor, load_features
from cyclegan_jax.evaluation.fid_kid_tables import FidKidTables
from cyclegan_jax.evaluation.inception import inception_is_available
from cyclegan_jax.evaluation.label_tables import LabelTables
from cyclegan_jax.evaluation.paired import PairedScores
from cyclegan_jax.evaluation.reconstruction_table import reconstruction_table
from cyclegan_jax.evaluation.results import Results
from cyclegan_jax.evaluation.round_trip import Translations, Translator
from cyclegan_jax.evaluation.score_table import ScoreTable
from cyclegan_jax.evaluation.segmentation_scores import ControlledScores
from cyclegan_jax.evaluation.segmenters import Segmenter, load_segmenter
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.state import image_dtype

SHOWN: Final = 6
"""Rows of a picture."""


@dataclass(frozen=True)
class Settings:
    """Which images and scores an evaluation includes.

    Attributes:
        images: at most this many test images of each domain; None takes all.
        segmenter: an ONNX file or `module:function`; None leaves the labels -> photo scores out.
        features: `inception`, `module:function`, or `none`; None takes Inception if it needs no download.
        inception_weights: the file of Inception's weights.
    """

    images: int | None = None
    segmenter: str | None = None
    features: str | None = None
    inception_weights: str | None = None


class Evaluator:
    """Evaluates checkpoints of one experiment; their shared test images and controls are computed once."""

    def __init__(
        self,
        config: TrainConfig,
        settings: Settings,
        data: Dataset | None = None,
        *,
        features_flag: str = "--features",
        weights_flag: str = "--inception_weights",
    ):
        """Read the test split, and load the features and the segmentation model that the settings name.

        Args:
            config: the experiment.
            settings: what to evaluate.
            data: the data set of `config.data`, if it is already open.
            features_flag: the flag that holds `settings.features`, for messages.
            weights_flag: the flag that holds `settings.inception_weights`, for messages.

        Raises:
            UserError: there are no test images, or a setting names a function or file that does not exist.
        """
        # Before the images, which take longer to read: a mistake in a flag fails at once.
        segmenter = None if settings.segmenter is None else _load_segmenter(settings.segmenter, config.data)
        extractor, features_notes = _load_features(settings, features_flag, weights_flag)
        data = open_dataset(config.data) if data is None else data
        self._split = splits.load(data, config.data, settings.images, config.generator.size_multiple)
        self._translator = Translator(config)
        self._fid_kid = None if extractor is None else FidKidTables(self._split, extractor)
        segmenter_name = Path(settings.segmenter or "").name
        self._labels, label_notes = _label_tables(self._split, config.data, segmenter, segmenter_name)
        self._paired, paired_notes = _paired_scores(self._split, config)
        skipped = self._split.skipped
        skipped_notes = [f"{skipped:,} test images could not be read and were left out."] if skipped else []
        self._notes = (*label_notes, *paired_notes, *features_notes, *skipped_notes)

    @property
    def chooses_best(self) -> bool:
        """Whether the results have a score by which a checkpoint is the best, which the reconstruction is not."""
        return self._labels is not None or self._fid_kid is not None or bool(self._paired)

    def evaluate(self, params: Params, features_failed: Callable[[UserError], None] | None = None) -> Results:
        """Evaluate two generators.

        Args:
            params: their parameters by direction; neither changed nor kept.
            features_failed: receives the error of features for FID and KID that cannot be computed; the results then
                have all other scores, and a note.

        Raises:
            UserError: the features cannot be computed, and `features_failed` is None; or the segmenter fails.
        """
        # Training may have spread the parameters over many devices; an evaluation runs on one.
        params = jax.device_put(jax.device_get(params), jax.local_devices()[0])
        images = self._split.images
        shown = {domain: spread(len(images[domain]), SHOWN) for domain in images}
        watched = {domain: paired.watch() for domain, paired in self._paired.items()}
        translations = {
            domain: self._translator(params, domain, images[domain], shown[domain], watched.get(domain))
            for domain in images
        }
        tables: list[ScoreTable] = []
        pictures = {
            f"translations_{domain}.png": picture_grid(
                (domain, f"{domain} to {OTHER_DOMAIN[domain]}", "and back"),
                [
                    [
                        splits.as_picture(images[domain][i], self._split.config, domain),
                        found.outputs[i],
                        found.cycled[i],
                    ]
                    for i in shown[domain]
                ],
            )
            for domain, found in translations.items()
        }
        classes: dict[str, ControlledScores] = {}
        if self._labels is not None:
            tables, label_pictures, classes = _evaluate_labels(self._labels, translations)
            pictures |= label_pictures
        for source, seen in watched.items():
            tables.append(seen.scores.table(seen))
            pictures[f"paired_{seen.scores.direction}.png"] = seen.scores.picture(translations[source].outputs, SHOWN)
        notes = self._notes
        try:
            if self._fid_kid is not None:
                tables += self._fid_kid.tables({domain: found.outputs for domain, found in translations.items()})
        except UserError as error:
            if features_failed is None:
                raise
            features_failed(error)
            notes = (*notes, f"No FID and KID: {error}.")
        tables += [reconstruction_table(domain, found) for domain, found in translations.items()]
        return Results(
            tables=tuple(tables),
            pictures=pictures,
            files={f"paired_{seen.scores.direction}.csv": seen.scores.csv(seen) for seen in watched.values()},
            classes=classes,
            images={domain: len(images[domain]) for domain in images},
            notes=notes,
            suffix=f"[{max(map(len, images.values()))} images]" if self._split.limited else "",
        )


def _evaluate_labels(
    labels: LabelTables, translations: dict[Domain, Translations]
) -> tuple[list[ScoreTable], dict[str, Uint8Image], dict[str, ControlledScores]]:
    label_pictures = translations[labels.photo_domain].outputs
    table, scores = labels.photo_to_labels(label_pictures)
    tables, classes = [table], {"photo_to_labels": scores}
    pictures = {"photo_to_labels.png": labels.photo_to_labels_picture(label_pictures, SHOWN)}
    photos = translations[labels.label_domain].outputs
    scored = labels.labels_to_photo(photos)
    if scored is not None:
        table, classes["labels_to_photo"], ids = scored
        tables.append(table)
        pictures["labels_to_photo.png"] = labels.labels_to_photo_picture(photos, ids, SHOWN)
    return tables, pictures, classes


def _paired_scores(split: splits.TestSplit, config: TrainConfig) -> tuple[dict[Domain, PairedScores], list[str]]:
    """Prepare the paired scores by source domain; label maps have scores of their own."""
    if config.data.labels is not None:
        return {}, []
    if not split.pairs:
        return {}, [f"No paired scores: {split.unpaired}."] if split.unpaired else []
    dtype = np.dtype(image_dtype(config))
    return {source: PairedScores(split, direction, dtype) for direction, (source, _) in DOMAINS.items()}, []


def _load_segmenter(spec: str, config: DataConfig) -> Segmenter:
    palette = palette_of(config)
    if palette != CITYSCAPES:
        raise UserError(
            f"--segmenter scores photos by the {len(CITYSCAPES.names)} classes of Cityscapes, but data.palette of the "
            f"run has {len(palette.names)} other classes: leave it out"
        )
    return load_segmenter(spec)


def _load_features(settings: Settings, flag: str, weights_flag: str) -> tuple[Extractor | None, list[str]]:
    """Load the features, or return a note that says why there are none."""
    if settings.features == "none":
        return None, []
    # By default nothing is downloaded without being asked for.
    if settings.features is None and settings.inception_weights is None and not inception_is_available():
        return None, [
            "No FID and KID: they need `pip install 'cyclegan-jax[fid]'` and the flag --features=inception, which "
            "downloads 91 MB of weights once."
        ]
    spec = settings.features or INCEPTION
    return load_features(spec, settings.inception_weights, flag, weights_flag), []


def _label_tables(
    split: splits.TestSplit, config: DataConfig, segmenter: Segmenter | None, segmenter_name: str
) -> tuple[LabelTables | None, list[str]]:
    """Prepare the label scores, or return a note that says why there are none.

    They are computed for every run with label maps that allows it, so what stands in their way is an error only if the
    user asked for them by --segmenter.
    """
    if config.labels is None:
        if segmenter is not None:
            raise UserError(
                "--segmenter is given, but the run has no label domain to compare its classes with: leave it out, or "
                "train with --data.labels=A (or B)"
            )
        return None, []
    try:
        if split.unpaired is not None:
            raise UserError(split.unpaired)
        return LabelTables(split, config.labels, segmenter, segmenter_name), []
    except UserError as error:
        if segmenter is not None:
            raise
        return None, [f"No label scores: {error}."]
