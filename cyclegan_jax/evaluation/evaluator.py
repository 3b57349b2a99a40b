"""Everything that can be said of a pair of generators on a test split; the same during training and after it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np

from cyclegan_jax.config import DataConfig, Domain, TrainConfig
from cyclegan_jax.data import sources
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import features, pictures
from cyclegan_jax.evaluation import test_split as splits
from cyclegan_jax.evaluation.image_distances import ImageDistances
from cyclegan_jax.evaluation.label_scores import LabelScores
from cyclegan_jax.evaluation.round_trip import Translations, Translator
from cyclegan_jax.evaluation.segmentation import Evaluation
from cyclegan_jax.evaluation.segmenters import load_segmenter
from cyclegan_jax.evaluation.tables import Better, Column, ScoreTable
from cyclegan_jax.networks.cyclegan import Params

SHOWN: Final = 6
"""Rows of a picture."""


@dataclass(frozen=True)
class Settings:
    """What is evaluated.

    Attributes:
        images: at most so many test images of each domain; None takes all.
        segmenter: an ONNX file or `module:function`; None leaves labels -> photo out.
        features: `inception`, `module:function`, or `none`; None takes Inception where it needs no download.
        inception_weights: the file of Inception's weights.
    """

    images: int | None = None
    segmenter: str | None = None
    features: str | None = None
    inception_weights: str | None = None


@dataclass(frozen=True)
class Results:
    """The scores and pictures of one checkpoint.

    Attributes:
        tables: one for each question.
        pictures: by file name, uint8 (H, W, 3).
        classes: the per-class results, by the table's key.
        images: the numbers of test images.
        notes: what was left out, and why.
        suffix: of the names by which the best checkpoint is kept, where fewer images were taken than there are.
    """

    tables: tuple[ScoreTable, ...]
    pictures: dict[str, Uint8Image]
    classes: dict[str, Evaluation]
    images: dict[Domain, int]
    notes: tuple[str, ...]
    suffix: str

    @property
    def scores(self) -> dict[str, float]:
        """The model's scores by table and column, such as `reconstruction_A/l1`."""
        return {f"{table.key}/{name}": value for table in self.tables for name, value in table.model.items()}

    @property
    def records(self) -> dict[str, tuple[float, Better]]:
        """The scores by which the best checkpoint is kept, and which is better."""
        return {name: value for table in self.tables for name, value in table.records(self.suffix).items()}

    def to_json(self) -> dict[str, Any]:
        """All of it but the pictures."""
        return {
            "images": dict(self.images),
            **{table.key: table.to_json() for table in self.tables},
            "notes": list(self.notes),
        }

    def markdown(self) -> str:
        """The tables, and what was left out."""
        return "\n\n".join([*(table.markdown() for table in self.tables), *self.notes])


class Evaluator:
    """Evaluates generators of one experiment; what all its checkpoints share is read and computed once."""

    def __init__(
        self,
        config: TrainConfig,
        settings: Settings,
        data: sources.Sources | None = None,
        *,
        features_flag: str = "--features",
        weights_flag: str = "--inception_weights",
    ):
        """Read the test split, and load what the settings name.

        Args:
            config: the experiment.
            settings: what to evaluate.
            data: its data, if it is open already.
            features_flag: the flag that holds `settings.features`, for messages.
            weights_flag: the flag that holds `settings.inception_weights`, for messages.

        Raises:
            UserError: there are no test images, or the settings name something that is not there.
        """
        segmenter = None if settings.segmenter is None else load_segmenter(settings.segmenter)
        extractor, notes = _load_features(settings, features_flag, weights_flag)
        data = sources.open_sources(config.data) if data is None else data
        self._split = split = splits.load(data, config.data, settings.images)
        self._translator = Translator(config)
        self._distances = None if extractor is None else ImageDistances(split, extractor)
        self._labels, left_out = _label_scores(split, config.data, segmenter, settings.segmenter or "")
        self._labels_domain = config.data.labels
        if split.skipped:
            notes.append(f"{split.skipped:,} test images could not be read and were left out.")
        self._notes = (*left_out, *notes)

    def evaluate(self, params: Params) -> Results:
        """Evaluate the two generators whose parameters are `params`, by direction; they are not changed or kept."""
        # One device is enough, whatever the training's placement.
        params = jax.device_put(jax.device_get(params), jax.local_devices()[0])
        images = self._split.images
        shown = {domain: splits.spread(len(images[domain]), SHOWN) for domain in images}
        ways = {domain: self._translator(params, domain, images[domain], shown[domain]) for domain in images}
        tables: list[ScoreTable] = []
        drawn = {
            f"translations_{domain}.png": pictures.rows(
                [[splits.as_uint8(images[domain][i]), way.outputs[i], way.cycled[i]] for i in shown[domain]]
            )
            for domain, way in ways.items()
        }
        classes: dict[str, Evaluation] = {}
        if self._labels is not None and self._labels_domain is not None:
            label_tables, label_pictures, classes = self._evaluate_labels(self._labels, self._labels_domain, ways)
            tables += label_tables
            drawn |= label_pictures
        if self._distances is not None:
            tables += self._distances.tables({domain: way.outputs for domain, way in ways.items()})
        tables += [_reconstruction(domain, way) for domain, way in ways.items()]
        return Results(
            tables=tuple(tables),
            pictures=drawn,
            classes=classes,
            images={domain: len(images[domain]) for domain in images},
            notes=self._notes,
            suffix=f"[{max(map(len, images.values()))} images]" if self._split.limited else "",
        )

    def _evaluate_labels(
        self, labels: LabelScores, domain: Domain, ways: dict[Domain, Translations]
    ) -> tuple[list[ScoreTable], dict[str, Uint8Image], dict[str, Evaluation]]:
        photos: Domain = "B" if domain == "A" else "A"
        table, found = labels.photo_to_labels(ways[photos].outputs)
        tables, classes = [table], {"photo_to_labels": found}
        drawn = {"photo_to_labels.png": labels.photo_to_labels_picture(ways[photos].outputs, SHOWN)}
        scored = labels.labels_to_photo(ways[domain].outputs)
        if scored is not None:
            tables.append(scored[0])
            classes["labels_to_photo"] = scored[1]
            drawn["labels_to_photo.png"] = labels.labels_to_photo_picture(ways[domain].outputs, scored[2], SHOWN)
        return tables, drawn, classes


def _load_features(settings: Settings, flag: str, weights_flag: str) -> tuple[features.Extractor | None, list[str]]:
    if settings.features == "none":
        return None, []
    if settings.features is None and settings.inception_weights is None and not features.inception_is_at_hand():
        return None, [
            "No FID and KID: they need `pip install 'cyclegan-jax[fid]'` and the flag --features=inception, which "
            "downloads 91 MB of weights once."
        ]
    spec = settings.features or features.INCEPTION
    return features.load_features(spec, settings.inception_weights, flag, weights_flag), []


def _label_scores(
    split: splits.TestSplit, config: DataConfig, segmenter: Any, segmenter_name: str
) -> tuple[LabelScores | None, list[str]]:
    """The label scores, or why there are none; only what the user has asked for is a mistake."""
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
        return LabelScores(split, config.labels, segmenter, Path(segmenter_name).name), []
    except UserError as error:
        if segmenter is not None:
            raise
        return None, [f"No label scores: {error}."]


def _reconstruction(domain: Domain, way: Translations) -> ScoreTable:
    other = "B" if domain == "A" else "A"
    means = {name: float(np.nanmean(v)) for name, v in way.measures.items() if not np.isnan(v).all()}
    rows = {"cycle": f"{domain} -> {other} -> {domain}", "mean_colour": "mean colour", "shuffled": "shuffled"}
    return ScoreTable(
        f"reconstruction_{domain}",
        f"reconstruction of {domain}",
        (
            Column("l1", "L1", "lower", record=f"cycle_l1_{domain}", digits=4),
            Column("psnr", "PSNR", "higher", digits=2),
            Column("ssim", "SSIM", "higher"),
            Column("change", f"change to {other}, L1", None, digits=4),
        ),
        {
            title: tuple(means.get(f"{row}/{name}") for name in ("l1", "psnr", "ssim", "change"))
            for row, title in rows.items()
        },
    )
