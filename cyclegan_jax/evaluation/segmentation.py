"""The paper's photo -> labels scores, beside two controls that every such score needs.

Each pixel of a generated label picture is given the class whose colour is nearest, and is compared with the ground
truth (paper, section 5.1.1). A generator that ignores its input can score well, as roads are at the bottom and sky is
on top. What a model knows of its input is what it scores above both controls:

- the constant map answers every photo with the most frequent training label at each pixel;
- the shuffled score compares the same outputs with the ground truth of the other photos. It equals the model's own
  score where every photo gets the same answer. Frames of one video resemble each other, which raises it.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from cyclegan_jax.data.palette import UNLABELLED
from cyclegan_jax.errors import UserError

Images = npt.NDArray[np.uint8]
ClassIds = npt.NDArray[np.uint8]
Confusion = npt.NDArray[np.int64]

IGNORE: Final = 255
"""The id of a pixel without ground truth: it is not scored."""

_MAX_CLASSES: Final = 254  # ids are uint8; one is left for the unlabelled colour and one for IGNORE
_CHUNK: Final = 1 << 16  # pixels compared with the palette at once: bounds the memory


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """What one confusion matrix says, as fractions of 1.

    Attributes:
        pixel_accuracy: the share of labelled pixels whose class is right.
        class_accuracy: the mean over classes of the share of a class's pixels that are right (recall).
        class_iou: the mean over classes of intersection over union.
        names: the classes, in id order.
        per_class_accuracy, per_class_iou: one per class; None for an absent class.
        absent: the classes that the ground truth never shows. They are left out of both means. Predicting one is still
            an error: the pixel is missed by its true class.
        confusion: the matrix itself: pixels of each true class (row) that were given each class (column).
    """

    pixel_accuracy: float
    class_accuracy: float
    class_iou: float
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
        """The share of the labelled pixels that each class has in the ground truth."""
        counts = [sum(row) for row in self.confusion]
        return tuple(count / sum(counts) for count in counts)


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a model's label pictures and of the two controls, on the same test photos.

    Attributes:
        model: each output against the ground truth of its own photo.
        constant_map: that of `constant_map` as the answer to every photo.
        shuffled: each output against the ground truth of every other photo.
    """

    model: Scores
    constant_map: Scores
    shuffled: Scores


def evaluate_photo_to_labels(
    predicted_images: Images,
    truth_images: Images,
    train_truth_images: Iterable[Images],
    palette: npt.ArrayLike,
    names: Sequence[str],
) -> Evaluation:
    """Score label pictures made from photos, and the two controls.

    Args:
        predicted_images: the generated label pictures, uint8 [N, H, W, 3].
        truth_images: the ground truth of the same photos in the same order, uint8 [N, H, W, 3]; black is unlabelled.
        train_truth_images: the label pictures of the training set, each uint8 [H, W, 3]; read once.
        palette: the colours of the classes in id order, integers 0 to 255, [K, 3].
        names: the K class names.

    Raises:
        UserError: shapes, dtypes or names do not fit; fewer than two test photos; no training map; no labelled pixel.
    """
    if len(names) != len(_palette(palette)):
        raise UserError(
            f"{len(names)} names are given for the {len(_palette(palette))} classes of the palette: give one each"
        )
    constant = constant_map((truth_classes(image, palette) for image in train_truth_images), len(_palette(palette)))
    return evaluate_ids(nearest_class(predicted_images, palette), truth_classes(truth_images, palette), constant, names)


def evaluate_ids(predicted_ids: ClassIds, truth_ids: ClassIds, constant: ClassIds, names: Sequence[str]) -> Evaluation:
    """Score class ids against the ground truth, and the two controls.

    Args:
        predicted_ids: uint8 [N, H, W], ids 0 to K - 1.
        truth_ids: of the same shape; 255 for pixels without ground truth.
        constant: what `constant_map` gave, uint8 [H, W].
        names: the K class names.

    Raises:
        UserError: shapes, ids or names do not fit; fewer than two photos; no labelled pixel.
    """
    classes = len(names)
    own = confusion_matrix(truth_ids, predicted_ids, classes)
    shuffled = score(shuffled_confusion_matrix(truth_ids, predicted_ids, classes), names)
    if constant.shape != truth_ids.shape[1:]:
        sizes = f"{constant.shape} and the test ones {truth_ids.shape[1:]}"
        raise UserError(f"the training label maps have shape {sizes}: resize both to one size")
    fixed = confusion_matrix(truth_ids, np.broadcast_to(constant, truth_ids.shape), classes)
    return Evaluation(score(own, names), score(fixed, names), shuffled)


def nearest_class(images: Images, palette: npt.ArrayLike) -> ClassIds:
    """The id of the palette colour nearest to each pixel, by Euclidean distance in RGB.

    Distances are exact integers, and a tie goes to the lowest id. There is no unlabelled answer: black too becomes the
    class whose colour is nearest.

    Args:
        images: uint8 [..., 3].
        palette: integers 0 to 255, [K, 3], K at most 254, all colours different.

    Returns:
        uint8 [...], ids 0 to K - 1.

    Raises:
        UserError: the images are not uint8 RGB, or the palette is not as above.
    """
    return _nearest(images, _palette(palette))


def truth_classes(images: Images, palette: npt.ArrayLike) -> ClassIds:
    """The class ids of ground-truth pictures, with `IGNORE` where they are black.

    Each pixel takes the nearest of the palette's colours and black, so that pictures stored as JPEG still read. The
    blends at their borders may be nearest to a third class: lossless pictures are better.

    Arguments and errors are those of `nearest_class`; a palette with black is an error too.

    Returns:
        uint8 [...], ids 0 to K - 1, or 255 for an unlabelled pixel.
    """
    colors = _palette(palette)
    black = np.flatnonzero((colors == UNLABELLED).all(axis=1))
    if black.size:
        raise UserError(f"class {black[0]} of the palette is black, which means unlabelled: give it another colour")
    ids = _nearest(images, np.concatenate([colors, np.array([UNLABELLED], np.int32)]))
    ids[ids == len(colors)] = IGNORE
    return ids


def confusion_matrix(truth_ids: ClassIds, predicted_ids: ClassIds, classes: int) -> Confusion:
    """Count the pixels of each true class (row) that were given each class (column).

    Args:
        truth_ids: ids 0 to classes - 1, or 255 for pixels to leave out; any shape.
        predicted_ids: ids 0 to classes - 1, of the same shape.
        classes: their number.

    Returns:
        int64 [classes, classes]. Its sum is the number of labelled pixels.

    Raises:
        UserError: the shapes differ, or an id is out of range.
    """
    _check_ids(truth_ids, predicted_ids, classes)
    counts = np.zeros(classes * classes, np.int64)
    # One image at a time: the int64 indices take eight times the memory of the ids.
    for truth, predicted in zip(np.atleast_2d(truth_ids), np.atleast_2d(predicted_ids), strict=True):
        labelled = truth != IGNORE
        index = truth[labelled].astype(np.int64) * classes + predicted[labelled]
        counts += np.bincount(index, minlength=classes * classes)
    return counts.reshape(classes, classes)


def shuffled_confusion_matrix(truth_ids: ClassIds, predicted_ids: ClassIds, classes: int) -> Confusion:
    """The confusion matrix of every prediction against the ground truth of every other photo.

    All N * (N - 1) pairs are counted, so the result depends on no seed and on no order of the photos. That takes one
    pass: at one position, a pair of classes is as frequent as the product of their numbers of photos.

    Arguments are those of `confusion_matrix`, of shape [N, H, W] with N at least 2.

    Returns:
        int64 [classes, classes]. Its sum is N - 1 times the number of labelled pixels.

    Raises:
        UserError: as `confusion_matrix`, or there are fewer than two photos.
    """
    _check_ids(truth_ids, predicted_ids, classes)
    if truth_ids.ndim != 3 or len(truth_ids) < 2:
        raise UserError(
            f"the shuffled score needs two or more photos [N, H, W], not ids of shape {truth_ids.shape}: add photos"
        )
    height, width = truth_ids.shape[1:]
    pairs = np.zeros((classes, classes), np.int64)
    for row in range(height):
        true, predicted = (_photos_per_class(ids[:, row], width, classes) for ids in (truth_ids, predicted_ids))
        pairs += true.T @ predicted
    return pairs - confusion_matrix(truth_ids, predicted_ids, classes)


def constant_map(train_truth_ids: Iterable[ClassIds], classes: int) -> ClassIds:
    """The most frequent training label at each pixel: the answer of who does not look at the photo.

    Unlabelled pixels are not counted. A pixel that no map labels takes the class that is most frequent overall. A tie
    goes to the lowest id.

    Args:
        train_truth_ids: maps [H, W] of ids 0 to classes - 1, or 255; read once, in memory of H * W * classes counts.
        classes: their number.

    Returns:
        uint8 [H, W], ids 0 to classes - 1.

    Raises:
        UserError: there is no map, no labelled pixel, an id is out of range, or the maps differ in size.
    """
    counts: npt.NDArray[np.int32] | None = None
    for number, ids in enumerate(train_truth_ids):
        if counts is None:
            counts = np.zeros((*ids.shape[:2], classes), np.int32)
        if ids.shape != counts.shape[:2]:
            raise UserError(
                f"training label map {number} has shape {ids.shape}, not the first one's [H, W] of {counts.shape[:2]}: "
                "resize all to one size"
            )
        _check_ids(ids, np.zeros_like(ids), classes)
        rows, columns = np.nonzero(ids != IGNORE)
        counts[rows, columns, ids[rows, columns]] += 1
    if counts is None:
        raise UserError("there is no training label map, so there is no constant map to compare with: check the data")
    overall = counts.sum(axis=(0, 1), dtype=np.int64)
    if not overall.any():
        raise UserError("no pixel of the training label maps is labelled: check that the palette is theirs")
    answer: ClassIds = counts.argmax(axis=-1).astype(np.uint8)
    answer[~counts.any(axis=-1)] = overall.argmax()
    return answer


def score(confusion: Confusion, names: Sequence[str]) -> Scores:
    """The paper's three scores from one confusion matrix over all test pixels.

    They are taken from the sum over photos, not averaged photo by photo: a mean of per-photo IoUs is another number.
    Where the ground truth shows every class they are those of the official code (`scripts/eval_cityscapes/util.py` of
    github.com/phillipi/pix2pix), which counts a class that the ground truth never shows as 0 in both means.

    Args:
        confusion: [K, K], rows are the truth.
        names: the K class names.

    Raises:
        UserError: the number of names is wrong, or the matrix counts no pixel.
    """
    if confusion.shape != (len(names), len(names)):
        raise UserError(f"{len(names)} names are given for the {len(confusion)} classes of the palette: give one each")
    total = int(confusion.sum())
    if not total:
        raise UserError("no pixel of the ground truth is labelled: check that the palette is its own")
    right, true, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    accuracy = [int(r) / int(t) if t else None for r, t in zip(right, true, strict=True)]
    iou = [int(r) / int(t + p - r) if t else None for r, t, p in zip(right, true, predicted, strict=True)]
    return Scores(
        pixel_accuracy=int(right.sum()) / total,
        class_accuracy=statistics.fmean(value for value in accuracy if value is not None),
        class_iou=statistics.fmean(value for value in iou if value is not None),
        names=tuple(names),
        per_class_accuracy=tuple(accuracy),
        per_class_iou=tuple(iou),
        absent=tuple(name for name, count in zip(names, true, strict=True) if not count),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _palette(palette: npt.ArrayLike) -> npt.NDArray[np.int32]:
    colors = np.asarray(palette)
    if colors.ndim != 2 or colors.shape[1] != 3 or not 1 <= len(colors) <= _MAX_CLASSES:
        raise UserError(f"the palette must be 1 to {_MAX_CLASSES} RGB colours [K, 3], not of shape {colors.shape}")
    if not np.issubdtype(colors.dtype, np.integer) or colors.min() < 0 or colors.max() > 255:
        raise UserError(f"the palette's colours must be integers 0 to 255, not {colors.dtype} up to {colors.max()}")
    unique, first = np.unique(colors, axis=0, return_index=True)
    if len(unique) < len(colors):
        repeated = min(set(range(len(colors))) - set(first.tolist()))
        raise UserError(f"class {repeated} of the palette repeats the colour {colors[repeated].tolist()}: change it")
    return colors.astype(np.int32)


def _nearest(images: Images, colors: npt.NDArray[np.int32]) -> ClassIds:
    if images.dtype != np.uint8 or images.ndim < 1 or images.shape[-1] != 3:
        raise UserError(f"label pictures must be uint8 [..., 3], not {images.dtype} of shape {images.shape}")
    pixels = images.reshape(-1, 3)
    ids = np.empty(len(pixels), np.uint8)
    # |x - c|^2 less |x|^2, which is the same for every colour.
    squares, doubled = (colors**2).sum(axis=1), 2 * colors.T
    for start in range(0, len(pixels), _CHUNK):
        chunk = pixels[start : start + _CHUNK].astype(np.int32)
        ids[start : start + _CHUNK] = (squares - chunk @ doubled).argmin(axis=1)
    return ids.reshape(images.shape[:-1])


def _check_ids(truth_ids: ClassIds, predicted_ids: ClassIds, classes: int) -> None:
    if truth_ids.shape != predicted_ids.shape:
        raise UserError(
            f"the ground truth has shape {truth_ids.shape} and the prediction {predicted_ids.shape}: "
            "score each photo against its own label map at the size it was generated"
        )
    known = truth_ids[truth_ids != IGNORE]
    for what, ids in (("ground truth", known), ("prediction", predicted_ids)):
        if ids.size and not 0 <= ids.min() <= ids.max() < classes:
            found = f"{ids.min()} to {ids.max()}"
            raise UserError(f"the {what} holds ids {found}, but there are {classes} classes: use one palette for all")


def _photos_per_class(ids: ClassIds, width: int, classes: int) -> npt.NDArray[np.int64]:
    """The number of photos that show each class in each column of one row: ids [N, width] -> [width, classes]."""
    column = np.broadcast_to(np.arange(width, dtype=np.int64), ids.shape)
    labelled = ids != IGNORE
    index = column[labelled] * classes + ids[labelled]
    return np.bincount(index, minlength=width * classes).reshape(width, classes)
