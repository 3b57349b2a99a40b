"""Pixel accuracy, class accuracy and class IoU (paper, section 5.1.1), with the two controls that they need.

A generator that ignores its input can score well: the road is at the bottom of most photos and the sky on top. A model
has learned from its input only as far as it scores above both controls:

- the constant map answers every photo with the most frequent training label at each pixel;
- the shuffled score compares the model's outputs with the ground truth of the other photos. It equals the model's own
  score if every photo gets the same answer. Frames of one video resemble each other, which raises it.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int64, UInt8

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.confusion_matrix import confusion_matrix, shuffled_confusion_matrix
from cyclegan_jax.evaluation.constant_map import constant_map
from cyclegan_jax.evaluation.nearest_class import nearest_class, truth_classes


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one confusion matrix, as fractions of 1.

    Attributes:
        pixel_accuracy: the fraction of labelled pixels whose class is right.
        class_accuracy: the mean over classes of the fraction of a class's pixels that are right (recall).
        class_iou: the mean over classes of intersection over union.
        class_accuracy_of_all: the same mean over all classes, where an absent class counts as 0, as in the official
            code.
        class_iou_of_all: the same for intersection over union.
        names: the classes, in id order.
        per_class_accuracy: one per class; None for an absent class.
        per_class_iou: one per class; None for an absent class.
        absent: the classes that the ground truth never shows. They are left out of `class_accuracy` and `class_iou`.
            Predicting one is still an error: the pixel's true class misses it.
        confusion: the matrix itself: pixels of each true class (row) that were given each class (column).
    """

    pixel_accuracy: float
    class_accuracy: float
    class_iou: float
    class_accuracy_of_all: float
    class_iou_of_all: float
    names: tuple[str, ...]
    per_class_accuracy: tuple[float | None, ...]
    per_class_iou: tuple[float | None, ...]
    absent: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def means(self) -> tuple[float, float, float]:
        """Pixel accuracy, class accuracy and class IoU."""
        return self.pixel_accuracy, self.class_accuracy, self.class_iou

    @property
    def per_class_share(self) -> tuple[float, ...]:
        """The fraction of the labelled pixels that belong to each class in the ground truth."""
        counts = [sum(row) for row in self.confusion]
        return tuple(count / sum(counts) for count in counts)


@dataclasses.dataclass(frozen=True, slots=True)
class ControlledScores:
    """The scores of a model and of the two controls, on the same test photos.

    Attributes:
        model: each output against the ground truth of its own photo.
        constant_map: the constant map as the answer to every photo.
        shuffled: each output against the ground truth of every other photo.
    """

    model: Scores
    constant_map: Scores
    shuffled: Scores


def score_label_pictures(
    predicted_images: UInt8[np.ndarray, "N H W 3"],
    truth_images: UInt8[np.ndarray, "M h w 3"],
    train_truth_images: Iterable[UInt8[np.ndarray, "..."]],
    palette: UInt8[np.ndarray, "K 3"],
    names: Sequence[str],
) -> ControlledScores:
    """Score label pictures that were made from photos, and the two controls.

    Args:
        predicted_images: the generated label pictures.
        truth_images: the ground truth of the same photos, in the same order and shape; black is unlabelled.
        train_truth_images: the label pictures [H, W, 3] of the training set; read once.
        palette: the colours of the classes in id order.
        names: the K class names.

    Raises:
        UserError: shapes or names do not fit; fewer than two test photos; no training map; no labelled pixel.
    """
    if len(names) != len(palette):
        raise UserError(f"there are {len(names)} names for the {len(palette)} classes of the palette: give one each")
    constant = constant_map((truth_classes(image, palette) for image in train_truth_images), len(palette))
    return score_with_controls(
        nearest_class(predicted_images, palette), truth_classes(truth_images, palette), constant, names
    )


def score_with_controls(
    predicted_ids: UInt8[np.ndarray, "N H W"],
    truth_ids: UInt8[np.ndarray, "M h w"],
    constant: UInt8[np.ndarray, "y x"],
    names: Sequence[str],
) -> ControlledScores:
    """Score class ids against the ground truth, and the two controls.

    Args:
        predicted_ids: ids 0 to K - 1.
        truth_ids: ids of the same shape; 255 for pixels without ground truth.
        constant: the result of `constant_map`, of the shape of one photo.
        names: the K class names.

    Raises:
        UserError: shapes, ids or names do not fit; fewer than two photos; no labelled pixel.
    """
    if truth_ids.shape != predicted_ids.shape:
        raise UserError(
            f"the ground truth has shape {truth_ids.shape} and the prediction {predicted_ids.shape}: "
            "score each photo against its own label map at the size it was generated"
        )
    if constant.shape != truth_ids.shape[1:]:
        raise UserError(
            f"the training label maps have shape {constant.shape} and the test ones {truth_ids.shape[1:]}: "
            "resize both to one size"
        )
    classes = len(names)
    shuffled = shuffled_confusion_matrix(truth_ids, predicted_ids, classes)
    own = confusion_matrix(truth_ids, predicted_ids, classes)
    constant_everywhere = confusion_matrix(truth_ids, np.broadcast_to(constant, truth_ids.shape), classes)
    return ControlledScores(score(own, names), score(constant_everywhere, names), score(shuffled, names))


def score(confusion: Int64[np.ndarray, "K K"], names: Sequence[str]) -> Scores:
    """Compute the paper's three scores from one confusion matrix over all test pixels.

    Pixels of all photos are pooled: a mean of per-photo IoUs is another number. A class that the ground truth never
    shows is left out of `class_accuracy` and `class_iou`. The official code (`scripts/eval_cityscapes/util.py` of
    github.com/junyanz/pytorch-CycleGAN-and-pix2pix) counts it as 0: these means are `class_accuracy_of_all` and
    `class_iou_of_all`. If the ground truth shows every class, both are equal.

    Args:
        confusion: pixel counts; rows are the truth.
        names: the K class names.

    Raises:
        UserError: the number of names is wrong, or the matrix counts no pixel.
    """
    if len(confusion) != len(names):
        raise UserError(f"there are {len(names)} names for the {len(confusion)} classes of the palette: give one each")
    total = int(confusion.sum())
    if not total:
        raise UserError("no pixel of the ground truth is labelled: check that it uses the palette's colours")
    right, true, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    accuracy = [int(r) / int(t) if t else None for r, t in zip(right, true, strict=True)]
    iou = [int(r) / int(t + p - r) if t else None for r, t, p in zip(right, true, predicted, strict=True)]
    shown_accuracy, shown_iou = ([value for value in values if value is not None] for values in (accuracy, iou))
    return Scores(
        pixel_accuracy=int(right.sum()) / total,
        class_accuracy=statistics.fmean(shown_accuracy),
        class_iou=statistics.fmean(shown_iou),
        class_accuracy_of_all=sum(shown_accuracy) / len(names),
        class_iou_of_all=sum(shown_iou) / len(names),
        names=tuple(names),
        per_class_accuracy=tuple(accuracy),
        per_class_iou=tuple(iou),
        absent=tuple(name for name, count in zip(names, true, strict=True) if not count),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )
