"""The scores against scikit-learn, examples worked by hand, and the mistakes that give other numbers."""

import dataclasses
import re

import numpy as np
import pytest
from sklearn import metrics

from cyclegan_jax.data import palette as cityscapes
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import segmentation
from cyclegan_jax.evaluation.segmentation import IGNORE

COLORS = np.array([(128, 64, 128), (70, 130, 180), (0, 0, 142), (220, 20, 60)], np.uint8)
NAMES = ("road", "sky", "car", "person")
BLACK = (0, 0, 0)


def paint(ids):
    """The picture of class ids: the inverse of `truth_classes`."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(COLORS)] = COLORS
    return table[ids]


def random_ids(seed, shape, classes, unlabelled=0.0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, classes, shape, dtype=np.uint8)
    ids[rng.random(shape) < unlabelled] = IGNORE
    return ids


def three(scores):
    return scores.pixel_accuracy, scores.class_accuracy, scores.class_iou


def evaluate(predicted, truth, train=None):
    train = truth if train is None else train
    return segmentation.evaluate_photo_to_labels(paint(predicted), paint(truth), paint(train), COLORS, NAMES)


# Classes from colours


def test_nearest_class_equals_a_brute_force_search():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    expected = [
        min(range(19), key=lambda k: sum((int(a) - b) ** 2 for a, b in zip(pixel, cityscapes.COLORS[k], strict=True)))
        for pixel in images.reshape(-1, 3)
    ]
    ids = segmentation.nearest_class(images, cityscapes.COLORS)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids.ravel(), expected)


def test_nearest_class_reads_through_noise():
    ids = random_ids(1, (3, 16, 16), len(COLORS))
    noise = np.random.default_rng(2).integers(-20, 21, (*ids.shape, 3))
    noisy = np.clip(paint(ids).astype(int) + noise, 0, 255).astype(np.uint8)
    assert (noisy != paint(ids)).any()
    np.testing.assert_array_equal(segmentation.nearest_class(noisy, COLORS), ids)


@pytest.mark.parametrize("colors", [[(10, 0, 0), (20, 0, 0)], [(20, 0, 0), (10, 0, 0)]])
def test_a_tie_goes_to_the_lowest_id(colors):
    assert segmentation.nearest_class(np.array([15, 0, 0], np.uint8), colors) == 0


def test_distances_do_not_wrap_around_in_uint8():
    # In uint8 arithmetic 0 - 255 is 1, and white would be next to black.
    assert segmentation.nearest_class(np.array([255, 255, 255], np.uint8), [(1, 1, 1), (150, 150, 150)]) == 1


def test_many_pixels_are_read_in_pieces_without_a_seam(monkeypatch):
    images = np.random.default_rng(3).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    whole = segmentation.nearest_class(images, COLORS)
    monkeypatch.setattr(segmentation, "_CHUNK", 7)
    np.testing.assert_array_equal(segmentation.nearest_class(images, COLORS), whole)


def test_black_is_unlabelled_in_the_ground_truth_and_never_in_a_prediction():
    image = np.array([BLACK, (6, 4, 9), COLORS[2]], np.uint8)
    np.testing.assert_array_equal(segmentation.truth_classes(image, COLORS), [IGNORE, IGNORE, 2])
    np.testing.assert_array_equal(segmentation.nearest_class(image, COLORS), [2, 2, 2])


def test_ground_truth_survives_lossy_storage():
    ids = random_ids(4, (2, 8, 8), len(COLORS), unlabelled=0.2)
    noise = np.random.default_rng(5).integers(-15, 16, (*ids.shape, 3))
    stored = np.clip(paint(ids).astype(int) + noise, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(segmentation.truth_classes(stored, COLORS), ids)


def test_the_cityscapes_palette_survives_a_round_trip():
    np.testing.assert_array_equal(
        segmentation.truth_classes(cityscapes.color_array(unlabelled=True), cityscapes.COLORS), [*range(19), IGNORE]
    )


# Scores


@pytest.mark.parametrize("absent", [[], [3], [0, 5]])
def test_scores_equal_scikit_learn(absent):
    classes = 7
    truth = random_ids(6, (4, 12, 10), classes, unlabelled=0.25)
    for name in absent:
        truth[truth == name] = 1
    right = np.random.default_rng(7).random(truth.shape) < 0.5
    # The prediction holds the absent classes too.
    predicted = np.where(right & (truth != IGNORE), truth, random_ids(8, truth.shape, classes))
    labelled = truth != IGNORE
    y, p = truth[labelled], predicted[labelled]
    present = [k for k in range(classes) if k not in absent]

    confusion = segmentation.confusion_matrix(truth, predicted, classes)
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(y, p, labels=range(classes)))
    assert confusion.dtype == np.int64
    scores = segmentation.score(confusion, [f"c{k}" for k in range(classes)])
    recall = metrics.recall_score(y, p, labels=present, average=None)
    iou = metrics.jaccard_score(y, p, labels=present, average=None)
    assert scores.pixel_accuracy == pytest.approx(metrics.accuracy_score(y, p), abs=1e-12)
    assert scores.class_accuracy == pytest.approx(recall.mean(), abs=1e-12)
    assert scores.class_iou == pytest.approx(iou.mean(), abs=1e-12)
    assert [scores.per_class_accuracy[k] for k in present] == pytest.approx(list(recall), abs=1e-12)
    assert [scores.per_class_iou[k] for k in present] == pytest.approx(list(iou), abs=1e-12)
    assert scores.absent == tuple(f"c{k}" for k in absent)
    assert all(scores.per_class_accuracy[k] is None and scores.per_class_iou[k] is None for k in absent)


def test_class_accuracy_is_the_balanced_accuracy():
    truth, predicted = random_ids(9, (3, 9, 9), 4), random_ids(10, (3, 9, 9), 4)
    scores = segmentation.score(segmentation.confusion_matrix(truth, predicted, 4), NAMES)
    assert scores.class_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth.ravel(), predicted.ravel()))


def test_an_example_by_hand():
    # Three pixels of class 0, one of them missed; one of class 1, found; one without ground truth.
    truth = np.array([[0, 0, 0, 1, IGNORE]], np.uint8)
    predicted = np.array([[0, 0, 1, 1, 0]], np.uint8)
    confusion = segmentation.confusion_matrix(truth, predicted, 2)
    assert confusion.tolist() == [[2, 1], [0, 1]]
    scores = segmentation.score(confusion, ("a", "b"))
    assert scores.pixel_accuracy == 3 / 4
    assert scores.per_class_accuracy == (2 / 3, 1.0)
    assert scores.class_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert scores.per_class_iou == (2 / 3, 1 / 2)
    assert scores.class_iou == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Rows and columns exchanged would be precision, another number.
    assert scores.class_accuracy != segmentation.score(confusion.T, ("a", "b")).class_accuracy


def test_scores_are_not_averaged_over_photos():
    # One class is rare and sits in one photo only: its photo's IoU must not count as much as that of all the others.
    truth = np.array([[[0, 0, 0, 0]], [[0, 0, 1, 1]]], np.uint8)
    predicted = np.array([[[0, 0, 0, 1]], [[0, 1, 1, 1]]], np.uint8)
    pooled = segmentation.score(segmentation.confusion_matrix(truth, predicted, 2), ("a", "b"))
    single = [
        segmentation.score(segmentation.confusion_matrix(t, p, 2), ("a", "b"))
        for t, p in zip(truth, predicted, strict=True)
    ]
    assert pooled.class_iou == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert np.mean([scores.class_iou for scores in single]) == pytest.approx((3 / 4 + (1 / 2 + 2 / 3) / 2) / 2)
    assert np.mean([scores.class_accuracy for scores in single]) != pytest.approx(pooled.class_accuracy)


def test_an_absent_class_is_left_out_and_predicting_it_still_costs():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    scores = segmentation.score(segmentation.confusion_matrix(truth, truth, 3), ("a", "b", "c"))
    assert three(scores) == (1.0, 1.0, 1.0)  # counted as 0 it would be 2/3
    assert scores.absent == ("c",)
    wrong = segmentation.score(
        segmentation.confusion_matrix(truth, np.array([[0, 2, 1, 1]], np.uint8), 3), ("a", "b", "c")
    )
    assert three(wrong) == (0.75, 0.75, 0.75)  # with the IoU of 0 of class c: 1/2
    assert wrong.absent == ("c",)


def test_ignored_pixels_count_nowhere():
    truth = random_ids(11, (2, 6, 6), 4, unlabelled=0.5)
    predicted = random_ids(12, truth.shape, 4)
    other = predicted.copy()
    other[truth == IGNORE] = (other[truth == IGNORE] + 1) % 4
    confusion = segmentation.confusion_matrix(truth, predicted, 4)
    np.testing.assert_array_equal(confusion, segmentation.confusion_matrix(truth, other, 4))
    assert confusion.sum() == (truth != IGNORE).sum()


# Controls


def test_constant_map_is_the_most_frequent_label_of_each_pixel():
    rows = [[0, 3, IGNORE, 1, 3], [2, IGNORE, IGNORE, 1, 3], [2, IGNORE, IGNORE, 0, 3], [1, IGNORE, IGNORE, 0, 3]]
    maps = np.array(rows, np.uint8)[:, None]
    # By column: 2 comes twice of four; 3, as unlabelled pixels are not counted; none, so 3, the most frequent overall;
    # 0 and 1 twice each, so 0; 3.
    assert segmentation.constant_map(iter(maps), 4).tolist() == [[2, 3, 3, 0, 3]]


def test_constant_map_equals_counting_by_hand():
    maps = random_ids(13, (9, 5, 6), 4, unlabelled=0.3)
    expected = [[np.bincount(maps[:, y, x], minlength=256)[:4].argmax() for x in range(6)] for y in range(5)]
    np.testing.assert_array_equal(segmentation.constant_map(maps, 4), expected)


def test_the_constant_map_scores_one_where_every_photo_is_alike():
    truth = np.repeat(random_ids(14, (1, 8, 8), 4), 3, axis=0)
    evaluation = evaluate((truth + 1) % 4, truth)
    assert three(evaluation.constant_map) == (1.0, 1.0, 1.0)
    assert three(evaluation.model) == (0.0, 0.0, 0.0)


def test_the_constant_map_comes_from_the_training_maps_alone():
    truth, train = random_ids(15, (3, 8, 8), 4), random_ids(16, (5, 8, 8), 4)
    expected = segmentation.confusion_matrix(truth, np.stack([segmentation.constant_map(train, 4)] * 3), 4)
    evaluation = evaluate(truth, truth, train)
    assert evaluation.constant_map == segmentation.score(expected, NAMES)
    assert evaluation.constant_map != evaluate(truth, truth, truth).constant_map


def test_the_shuffled_matrix_counts_every_pair_of_different_photos():
    truth, predicted = random_ids(17, (5, 4, 3), 4, unlabelled=0.3), random_ids(18, (5, 4, 3), 4)
    expected = np.zeros((4, 4), np.int64)
    for i in range(5):
        for j in range(5):
            if i != j:
                expected += segmentation.confusion_matrix(truth[i], predicted[j], 4)
    np.testing.assert_array_equal(segmentation.shuffled_confusion_matrix(truth, predicted, 4), expected)


def test_shuffling_costs_a_model_that_sees_and_nothing_else():
    truth = random_ids(19, (6, 8, 8), 4)
    sees = evaluate(truth, truth)
    assert three(sees.model) == (1.0, 1.0, 1.0)
    assert max(three(sees.shuffled)) < 0.4  # four classes at random: 1/4
    blind = evaluate(np.repeat(truth[:1], 6, axis=0), truth)
    assert three(blind.shuffled) == pytest.approx(three(blind.model), abs=1e-12)


# The whole evaluation


def test_the_order_of_the_photos_does_not_matter():
    truth, predicted = random_ids(20, (6, 7, 9), 4, unlabelled=0.1), random_ids(21, (6, 7, 9), 4)
    order = np.random.default_rng(22).permutation(6)
    assert evaluate(predicted, truth, truth) == evaluate(predicted[order], truth[order], truth)
    assert evaluate(predicted[order], truth, truth) != evaluate(predicted, truth, truth)


def test_training_maps_may_be_a_stream_and_colours_plain_tuples():
    truth = random_ids(23, (3, 5, 5), 4)
    streamed = segmentation.evaluate_photo_to_labels(
        paint(truth), paint(truth), (paint(ids) for ids in truth), tuple(map(tuple, COLORS.tolist())), NAMES
    )
    assert streamed == evaluate(truth, truth)


def test_the_share_of_a_class_and_the_matrix_itself():
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    scores = segmentation.score(confusion, ("road", "sky", "bus"))
    assert scores.per_class_share == (0.5, 0.5, 0)
    assert scores.confusion == ((3, 1, 0), (0, 4, 0), (0, 0, 0))
    assert scores.means == (7 / 8, (3 / 4 + 1) / 2, (3 / 4 + 4 / 5) / 2)


def test_results_cannot_be_changed():
    scores = segmentation.score(np.eye(2, dtype=np.int64), ("a", "b"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        scores.class_iou = 1.0


# Errors

GOOD = np.zeros((2, 4, 4), np.uint8)
UNLABELLED_IDS = np.full((2, 4, 4), IGNORE, np.uint8)


@pytest.mark.parametrize(
    ("predicted", "truth", "train", "message"),
    [
        (GOOD, GOOD[:, :2], GOOD, r"ground truth has shape (2, 2, 4) and the prediction (2, 4, 4)"),
        (GOOD[:0], GOOD[:0], GOOD, r"needs two or more photos"),
        (GOOD[:1], GOOD[:1], GOOD, r"needs two or more photos"),
        (GOOD[0], GOOD[0], GOOD, r"needs two or more photos [N, H, W], not ids of shape (4, 4)"),
        (GOOD, GOOD, GOOD[:0], r"there is no training label map"),
        (GOOD, UNLABELLED_IDS, GOOD, r"no pixel of the ground truth is labelled"),
        (GOOD, GOOD, UNLABELLED_IDS, r"no pixel of the training label maps is labelled"),
        (GOOD, GOOD, GOOD[:, :2], r"training label maps have shape (2, 4) and the test ones (4, 4)"),
    ],
)
def test_images_that_cannot_be_scored(predicted, truth, train, message):
    with pytest.raises(UserError, match=re.escape(message)):
        evaluate(predicted, truth, train)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)]
)
def test_pictures_must_be_uint8_rgb(image):
    for read in (segmentation.nearest_class, segmentation.truth_classes):
        with pytest.raises(UserError, match=r"must be uint8 \[\.\.\., 3\]"):
            read(image, COLORS)


@pytest.mark.parametrize(
    ("colors", "message"),
    [
        ([[1, 2]], "1 to 254 RGB colours"),
        (np.zeros((0, 3), int), "1 to 254 RGB colours"),
        (np.zeros((255, 3), int), "1 to 254 RGB colours"),
        ([[0.1, 0.2, 1.0]], "integers 0 to 255"),
        ([[0, 0, 256]], "integers 0 to 255"),
        ([[0, -1, 0]], "integers 0 to 255"),
        ([[1, 2, 3], [4, 5, 6], [1, 2, 3]], "class 2 of the palette repeats the colour [1, 2, 3]"),
    ],
)
def test_a_palette_that_is_none(colors, message):
    with pytest.raises(UserError, match=re.escape(message)):
        segmentation.nearest_class(np.zeros((4, 4, 3), np.uint8), colors)


def test_no_class_may_be_black():
    with pytest.raises(UserError, match="class 1 of the palette is black"):
        segmentation.truth_classes(np.zeros((4, 4, 3), np.uint8), [(1, 2, 3), BLACK])


def test_names_must_be_as_many_as_classes():
    with pytest.raises(UserError, match="2 names are given for the 4 classes"):
        segmentation.evaluate_photo_to_labels(paint(GOOD), paint(GOOD), paint(GOOD), COLORS, ("road", "sky"))


def test_training_maps_must_be_of_one_size():
    with pytest.raises(UserError, match=re.escape("training label map 1 has shape (4, 2)")):
        segmentation.constant_map([GOOD[0], GOOD[0, :, :2]], 4)
    with pytest.raises(UserError, match=re.escape("training label map 0 has shape (2, 4, 4)")):
        segmentation.constant_map([GOOD], 4)


def test_ids_out_of_range():
    # Unchecked, id 4 of a row would be counted as id 0 of the next.
    high = np.full((2, 4, 4), 4, np.uint8)
    with pytest.raises(UserError, match="the ground truth holds ids 4 to 4, but there are 4 classes"):
        segmentation.confusion_matrix(high, GOOD, 4)
    for wrong in (high, UNLABELLED_IDS):
        with pytest.raises(UserError, match="the prediction holds ids"):
            segmentation.confusion_matrix(GOOD, wrong, 4)
    with pytest.raises(UserError, match="the ground truth holds ids"):
        segmentation.constant_map(high, 4)
