"""The constant map: one label map as the answer to every photo, the control for the photo -> labels scores."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int32, UInt8

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.confusion_matrix import check_ids
from cyclegan_jax.evaluation.nearest_class import IGNORE


def constant_map(train_truth_ids: Iterable[UInt8[np.ndarray, "..."]], classes: int) -> UInt8[np.ndarray, "H W"]:
    """Return the most frequent training label at each pixel: the best answer that ignores the photo.

    Unlabelled pixels are not counted. A pixel that no training map labels takes the most frequent class overall. A tie
    goes to the lowest id.

    Args:
        train_truth_ids: label maps [H, W] of ids 0 to classes - 1, or 255 for unlabelled pixels; read once.
        classes: the number of classes.

    Returns:
        Ids 0 to classes - 1.

    Raises:
        UserError: there is no map or no labelled pixel, an id is out of range, or the maps differ in size.
    """
    # Counts instead of the maps: a training set takes H * W * classes numbers, however many maps it has.
    counts: Int32[np.ndarray, "H W K"] | None = None
    for number, ids in enumerate(train_truth_ids):
        if counts is None:
            counts = np.zeros((*ids.shape[:2], classes), np.int32)
        if ids.shape != counts.shape[:2]:
            raise UserError(
                f"training label map {number} has shape {ids.shape}, but the first one has {counts.shape[:2]}: resize "
                "all to one size"
            )
        check_ids("ground truth", ids[ids != IGNORE], classes)
        rows, columns = np.nonzero(ids != IGNORE)
        counts[rows, columns, ids[rows, columns]] += 1
    if counts is None:
        raise UserError("there is no training label map, so there is no constant map to compare with: check the data")
    overall = counts.sum(axis=(0, 1), dtype=np.int64)
    if not overall.any():
        raise UserError("no pixel of the training label maps is labelled: check that they use the palette's colours")
    answer = counts.argmax(axis=-1).astype(np.uint8)
    # Without this a pixel that is never labelled would take class 0, as argmax of zeros does.
    answer[~counts.any(axis=-1)] = overall.argmax()
    return answer
