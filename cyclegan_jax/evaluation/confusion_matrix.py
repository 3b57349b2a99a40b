"""Confusion matrices of class ids: of a model's own answers, and of shuffled ones as a control."""

import numpy as np
from jaxtyping import Int64, UInt8

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.nearest_class import IGNORE


def confusion_matrix(
    truth_ids: UInt8[np.ndarray, "*pixels"], predicted_ids: UInt8[np.ndarray, "*pixels"], classes: int
) -> Int64[np.ndarray, "K K"]:
    """Count the pixels of each true class (row) that were given each class (column).

    Args:
        truth_ids: ids 0 to classes - 1, or 255 for pixels to leave out.
        predicted_ids: ids 0 to classes - 1.
        classes: the number of classes, K.

    Returns:
        The counts. Their sum is the number of labelled pixels.

    Raises:
        UserError: an id is out of range.
    """
    check_ids("ground truth", truth_ids[truth_ids != IGNORE], classes)
    check_ids("prediction", predicted_ids, classes)
    counts = np.zeros(classes * classes, np.int64)
    # One image at a time: the int64 indices take eight times the memory of the ids.
    for truth, predicted in zip(np.atleast_2d(truth_ids), np.atleast_2d(predicted_ids), strict=True):
        labelled = truth != IGNORE
        index = truth[labelled].astype(np.int64) * classes + predicted[labelled]
        counts += np.bincount(index, minlength=classes * classes)
    return counts.reshape(classes, classes)


def shuffled_confusion_matrix(
    truth_ids: UInt8[np.ndarray, "N H W"], predicted_ids: UInt8[np.ndarray, "N H W"], classes: int
) -> Int64[np.ndarray, "K K"]:
    """Count every prediction against the ground truth of every other photo.

    All N * (N - 1) pairs are counted, so the result depends neither on a seed nor on the order of the photos.

    Args:
        truth_ids: ids 0 to classes - 1, or 255 for pixels to leave out.
        predicted_ids: ids 0 to classes - 1.
        classes: the number of classes, K.

    Returns:
        The counts. Their sum is N - 1 times the number of labelled pixels.

    Raises:
        UserError: an id is out of range, or there are fewer than two photos.
    """
    # Raises for ids out of range, which would be counted as other classes below.
    own = confusion_matrix(truth_ids, predicted_ids, classes)
    number, height, width = truth_ids.shape
    if number < 2:
        raise UserError(f"the shuffled score needs two or more photos, but there are {number}: add photos")
    # No loop over N^2 pairs: at one pixel, the pairs of a true class with a predicted class number the photos of the
    # one times the photos of the other. Summed over all pixels, that is a matrix product per image row. It includes
    # each photo paired with itself, which `own` counts.
    pairs = np.zeros((classes, classes), np.int64)
    for row in range(height):
        true, predicted = (_photos_per_class(ids[:, row], width, classes) for ids in (truth_ids, predicted_ids))
        pairs += true.T @ predicted
    return pairs - own


def check_ids(what: str, ids: UInt8[np.ndarray, "..."], classes: int) -> None:
    """Raise a UserError where an id is not below `classes`; unchecked, it would be counted as another class."""
    if ids.size and ids.max() >= classes:
        raise UserError(
            f"the {what} contains ids {ids.min()} to {ids.max()}, but there are {classes} classes: use one palette "
            "for all"
        )


def _photos_per_class(ids: UInt8[np.ndarray, "N W"], width: int, classes: int) -> Int64[np.ndarray, "W K"]:
    """Count, for each column of one image row, the photos that show each class there."""
    column = np.broadcast_to(np.arange(width, dtype=np.int64), ids.shape)
    labelled = ids != IGNORE
    index = column[labelled] * classes + ids[labelled]
    return np.bincount(index, minlength=width * classes).reshape(width, classes)
