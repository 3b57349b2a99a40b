"""The paper's two questions about label maps (section 5.1.1): photo -> labels, and labels -> photo."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from cyclegan_jax.config import Domain
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data import palette
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import pictures, segmentation
from cyclegan_jax.evaluation import test_split as splits
from cyclegan_jax.evaluation.segmentation import ClassIds, Evaluation, Scores
from cyclegan_jax.evaluation.segmenters import Segmenter
from cyclegan_jax.evaluation.tables import Column, ScoreTable, decimal, markdown
from cyclegan_jax.evaluation.test_split import TestSplit, as_uint8

_BATCH = 16  # photos segmented at once


class LabelScores:
    """The ground truth of a paired test split, and what the controls answer; the same for all checkpoints."""

    def __init__(self, split: TestSplit, labels: Domain, segmenter: Segmenter | None, segmenter_name: str = ""):
        """Read the ground truth and the training label maps, and segment the real photos.

        Args:
            split: paired test images.
            labels: the domain of the label maps.
            segmenter: a segmentation model, or None.
            segmenter_name: its name in the table.

        Raises:
            UserError: there are too few pairs, the images have several sizes, or no pixel is labelled.
        """
        self._labels = labels
        self._photos: Domain = "B" if labels == "A" else "A"
        self._places: dict[Domain, list[int]] = {"A": [a for a, _ in split.pairs], "B": [b for _, b in split.pairs]}
        truth = self.of_pairs(split.images[labels], labels)
        self.truth_images = truth
        self.photos = self.of_pairs([as_uint8(image) for image in split.images[self._photos]], self._photos)
        sizes = sorted({image.shape[:2] for image in (*truth, *self.photos)})
        if len(sizes) > 1:
            raise UserError(
                f"the pairs of test images have {len(sizes)} sizes, from {sizes[0][1]}x{sizes[0][0]} to "
                f"{sizes[-1][1]}x{sizes[-1][0]} pixels, but the scores need one, for the constant map: take "
                "data.preprocess=resize_and_crop, or test images of one size"
            )
        self._truth = segmentation.truth_classes(np.stack(truth), palette.COLORS)
        self._constant = segmentation.constant_map(
            (segmentation.truth_classes(image, palette.COLORS) for image in split.train_images(labels)),
            len(palette.NAMES),
        )
        self._segmenter = segmenter
        self._segmenter_name = segmenter_name
        self._real: Scores | None = None
        if segmenter is not None:
            real = self._segment(self.photos)
            self._real = segmentation.score(self._confusion(real), palette.NAMES)

    def photo_to_labels(self, outputs: Sequence[Uint8Image]) -> tuple[ScoreTable, Evaluation]:
        """Score the label pictures made of all test photos, in their order."""
        predicted = segmentation.nearest_class(np.stack(self.of_pairs(outputs, self._photos)), palette.COLORS)
        found = segmentation.evaluate_ids(predicted, self._truth, self._constant, palette.NAMES)
        rows = {"model": found.model, "constant map": found.constant_map, "shuffled": found.shuffled}
        return _table("photo_to_labels", "photo -> labels", rows), found

    def labels_to_photo(self, outputs: Sequence[Uint8Image]) -> tuple[ScoreTable, Evaluation, ClassIds] | None:
        """Score the photos made of all test label maps by the segmentation model; None without one.

        The real photos' score is what its own mistakes leave to be had.
        """
        if self._real is None:
            return None
        predicted = self._segment(self.of_pairs(outputs, self._labels))
        found = segmentation.evaluate_ids(predicted, self._truth, self._constant, palette.NAMES)
        rows = {
            "model": found.model,
            "real photos": self._real,
            "constant map": found.constant_map,
            "shuffled": found.shuffled,
        }
        name = self._segmenter_name
        table = _table("labels_to_photo", f"labels -> photo, by {name}", rows, record=f"[{name}]")
        if self._real.class_iou <= found.constant_map.class_iou:
            note = (
                f"{name} reads real photos no better than the constant map, which does not look at them: what it says "
                "of generated ones means little."
            )
            table = dataclasses.replace(table, notes=(*table.notes, note))
        return table, found, predicted

    def photo_to_labels_picture(self, outputs: Sequence[Uint8Image], number: int) -> Uint8Image:
        """Rows of a photo, the label picture made of it in the colours of its classes, and the ground truth."""
        made = self.of_pairs(outputs, self._photos)
        colors = palette.color_array()
        return pictures.rows(
            [
                [self.photos[i], colors[segmentation.nearest_class(made[i], palette.COLORS)], self.truth_images[i]]
                for i in splits.spread(len(made), number)
            ]
        )

    def labels_to_photo_picture(self, outputs: Sequence[Uint8Image], ids: ClassIds, number: int) -> Uint8Image:
        """Rows of a label map, the photo made of it, what the segmentation model sees in that, and the real photo."""
        made = self.of_pairs(outputs, self._labels)
        colors = palette.color_array()
        return pictures.rows(
            [[self.truth_images[i], made[i], colors[ids[i]], self.photos[i]] for i in splits.spread(len(made), number)]
        )

    def of_pairs(self, images: Sequence[Uint8Image], domain: Domain) -> list[Uint8Image]:
        """Of images by their places in a domain (or what was made of them) those of the pairs, in their order."""
        return [images[place] for place in self._places[domain]]

    def _segment(self, photos: Sequence[Uint8Image]) -> ClassIds:
        assert self._segmenter is not None
        batches = (photos[start : start + _BATCH] for start in range(0, len(photos), _BATCH))
        return np.concatenate([self._segmenter(np.stack([*map(images_lib.to_rgb, batch)])) for batch in batches])

    def _confusion(self, ids: ClassIds) -> segmentation.Confusion:
        return segmentation.confusion_matrix(self._truth, ids, len(palette.NAMES))


def per_class_table(model: Scores, constant: Scores) -> str:
    """A Markdown table of the classes in the ground truth, the most frequent first: their share, accuracy and IoU.

    Args:
        model: the model's scores.
        constant: those of the constant map, whose IoU stands in the last column.
    """
    rows = zip(
        model.per_class_share,
        model.names,
        model.per_class_accuracy,
        model.per_class_iou,
        constant.per_class_iou,
        strict=True,
    )
    shown = [
        [name, f"{share:.1%}", decimal(accuracy), decimal(iou), decimal(control)]
        for share, name, accuracy, iou, control in sorted(rows, key=lambda row: -row[0])
        if share > 0
    ]
    return markdown(["class", "ground truth", "accuracy", "IoU", "constant map IoU"], shown)


def _table(key: str, title: str, rows: dict[str, Scores], record: str = "") -> ScoreTable:
    model, constant = rows["model"], rows["constant map"]
    notes = [per_class_table(model, constant)]
    if model.absent:
        notes.append(f"Not in the ground truth and left out of the means: {', '.join(model.absent)}.")
    columns = (
        Column("pixel_accuracy", "pixel accuracy", "higher"),
        Column("class_accuracy", "class accuracy", "higher"),
        Column("class_iou", "class IoU", "higher", record=f"{key}_class_iou{record}"),
    )
    per_class = {
        name: {"share": share, "accuracy": accuracy, "iou": iou}
        for name, share, accuracy, iou in zip(
            model.names, model.per_class_share, model.per_class_accuracy, model.per_class_iou, strict=True
        )
    }
    return ScoreTable(
        key,
        title,
        columns,
        {name: scores.means for name, scores in rows.items()},
        tuple(notes),
        {"per_class": per_class},
    )
