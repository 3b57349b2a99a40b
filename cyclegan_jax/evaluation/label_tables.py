"""The tables of the paper's two tasks on label maps (section 5.1.1): photo -> labels, and labels -> photo."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import UInt8

from cyclegan_jax.config import OTHER_DOMAIN, Domain
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.data.eval_images import spread
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.data.palette import color_array
from cyclegan_jax.data.palette_file import palette_of
from cyclegan_jax.data.picture_grid import picture_grid
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.confusion_matrix import confusion_matrix
from cyclegan_jax.evaluation.constant_map import constant_map
from cyclegan_jax.evaluation.nearest_class import nearest_class, truth_classes
from cyclegan_jax.evaluation.score_table import Column, ScoreTable, decimal, markdown
from cyclegan_jax.evaluation.segmentation_scores import ControlledScores, Scores, score, score_with_controls
from cyclegan_jax.evaluation.segmenters import Segmenter
from cyclegan_jax.evaluation.test_split import TestSplit, as_picture

_BATCH: Final = 16  # photos segmented at once


class LabelTables:
    """Scores of label maps on a paired test split; ground truth and controls are shared by all checkpoints."""

    def __init__(self, split: TestSplit, labels: Domain, segmenter: Segmenter | None, segmenter_name: str = ""):
        """Read the ground truth and the training label maps, and segment the real photos.

        Args:
            split: paired test images.
            labels: the domain of the label maps.
            segmenter: a segmentation model, or None.
            segmenter_name: its name in the table.

        Raises:
            UserError: there are too few pairs, the images differ in size, or no pixel is labelled.
        """
        self.label_domain = labels
        self.photo_domain = OTHER_DOMAIN[labels]
        self._pairs: dict[Domain, list[int]] = {"A": [a for a, _ in split.pairs], "B": [b for _, b in split.pairs]}
        self._truth_images = self._paired(split.images[labels], labels)
        photos = [as_picture(image, split.config, self.photo_domain) for image in split.images[self.photo_domain]]
        self._photos = self._paired(photos, self.photo_domain)
        _check_one_size([*self._truth_images, *self._photos])
        palette = palette_of(split.config)
        self._colors, self._names = color_array(palette=palette), palette.names
        self._truth = truth_classes(np.stack(self._truth_images), self._colors, palette.unlabelled)
        self._constant = constant_map(
            (truth_classes(image, self._colors, palette.unlabelled) for image in split.train_images(labels)),
            len(self._names),
        )
        self._segmenter = segmenter
        self._segmenter_name = segmenter_name
        self._real: Scores | None = None
        if segmenter is not None:
            real = _segment(segmenter, self._photos)
            self._real = score(confusion_matrix(self._truth, real, len(self._names)), self._names)

    def photo_to_labels(self, outputs: Sequence[Uint8Image]) -> tuple[ScoreTable, ControlledScores]:
        """Score the label pictures that were made from the test photos, given in the photos' order."""
        predicted = nearest_class(np.stack(self._paired(outputs, self.photo_domain)), self._colors)
        found = score_with_controls(predicted, self._truth, self._constant, self._names)
        rows = {"model": found.model, "constant map": found.constant_map, "shuffled": found.shuffled}
        return _table("photo_to_labels", "photo -> labels", rows), found

    def labels_to_photo(
        self, outputs: Sequence[Uint8Image]
    ) -> tuple[ScoreTable, ControlledScores, UInt8[np.ndarray, "N H W"]] | None:
        """Score the photos that were made from the test label maps, given in their order; None without a segmenter.

        The segmentation model's score on real photos is a control too: it is what a perfect generator would reach, as
        the segmentation model makes mistakes of its own.

        Returns:
            The table, the scores, and the class ids that the segmentation model finds in the photos.
        """
        if self._segmenter is None or self._real is None:
            return None
        predicted = _segment(self._segmenter, self._paired(outputs, self.label_domain))
        found = score_with_controls(predicted, self._truth, self._constant, self._names)
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
                f"On real photos {name} scores no better than the constant map, which ignores the photo: its scores of "
                "generated photos mean little."
            )
            table = dataclasses.replace(table, notes=(*table.notes, note))
        return table, found, predicted

    def photo_to_labels_picture(self, outputs: Sequence[Uint8Image], number: int) -> Uint8Image:
        """Show some test photos in rows: the photo, its translation in the colours of its classes, the ground truth."""
        made = self._paired(outputs, self.photo_domain)
        return picture_grid(
            ("photo", "generated labels", "true labels"),
            [
                [self._photos[i], self._colors[nearest_class(made[i], self._colors)], self._truth_images[i]]
                for i in spread(len(made), number)
            ],
        )

    def labels_to_photo_picture(
        self, outputs: Sequence[Uint8Image], ids: UInt8[np.ndarray, "N H W"], number: int
    ) -> Uint8Image:
        """Show some test label maps in rows: the label map, its translation, that one's classes, the real photo."""
        made = self._paired(outputs, self.label_domain)
        return picture_grid(
            ("labels", "generated photo", "its classes", "real photo"),
            [
                [self._truth_images[i], made[i], self._colors[ids[i]], self._photos[i]]
                for i in spread(len(made), number)
            ],
        )

    def _paired(self, images: Sequence[Uint8Image], domain: Domain) -> list[Uint8Image]:
        """Select the images of a domain (or their translations) that have a partner, in the order of the pairs."""
        return [images[index] for index in self._pairs[domain]]


def _check_one_size(images: Sequence[Uint8Image]) -> None:
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        raise UserError(
            f"the pairs of test images have {len(sizes)} sizes, from {sizes[0][1]}x{sizes[0][0]} to "
            f"{sizes[-1][1]}x{sizes[-1][0]} pixels, but the constant map needs a single size: use "
            "data.preprocess=resize_and_crop, or test images of one size"
        )


def _segment(segmenter: Segmenter, photos: Sequence[Uint8Image]) -> UInt8[np.ndarray, "N H W"]:
    batches = (photos[start : start + _BATCH] for start in range(0, len(photos), _BATCH))
    return np.concatenate([segmenter(np.stack([*map(images_lib.to_rgb, batch)])) for batch in batches])


def per_class_table(model: Scores, constant: Scores) -> str:
    """Return a Markdown table of the classes in the ground truth, the most frequent first: share, accuracy and IoU.

    Args:
        model: the model's scores.
        constant: the constant map's scores; their IoU is the last column.
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
    number = len(model.names)
    notes = [per_class_table(model, constant)]
    if model.absent:
        notes.append(
            f"Not in the ground truth: {', '.join(model.absent)}. They are left out of class accuracy and class IoU, "
            f"and count as 0 in the columns of {number}, as in the official code."
        )
    columns = (
        Column("pixel_accuracy", "pixel accuracy", "higher"),
        Column("class_accuracy", "class accuracy", "higher"),
        Column("class_iou", "class IoU", "higher", record=f"{key}_class_iou{record}"),
        Column(f"class_accuracy_{number}", f"class accuracy of {number}", "higher"),
        Column(f"class_iou_{number}", f"class IoU of {number}", "higher"),
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
        {name: (*s.means, s.class_accuracy_of_all, s.class_iou_of_all) for name, s in rows.items()},
        tuple(notes),
        {"per_class": per_class},
    )
