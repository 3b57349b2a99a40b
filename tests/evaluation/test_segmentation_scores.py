"""The scores against scikit-learn, examples worked by hand, and the mistakes that give other numbers."""

import dataclasses
import re
from collections.abc import Iterable

import numpy as np
import pytest
from sklearn import metrics

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.confusion_matrix import confusion_matrix
from cyclegan_jax.evaluation.constant_map import constant_map
from cyclegan_jax.evaluation.nearest_class import IGNORE
from cyclegan_jax.evaluation.segmentation_scores import ControlledScores, Scores, score, score_label_pictures
from tests.helpers.class_ids import COLORS, NAMES, paint, random_ids


def three(scores: Scores) -> tuple[float, float, float]:
    return scores.pixel_accuracy, scores.class_accuracy, scores.class_iou


def evaluate(predicted: np.ndarray, truth: np.ndarray, train: Iterable[np.ndarray] | None = None) -> ControlledScores:
    train = truth if train is None else train
    return score_label_pictures(paint(predicted), paint(truth), [paint(ids) for ids in train], COLORS, NAMES)


# Scores


@pytest.mark.parametrize("absent", [[], [3], [0, 5]])
def test_scores_equal_scikit_learn(absent):
    classes = 7
    truth = random_ids(6, (4, 12, 10), classes, unlabelled=0.25)
    for name in absent:
        truth[truth == name] = 1
    right = np.random.default_rng(7).random(truth.shape) < 0.5
    # The prediction contains the absent classes too.
    predicted = np.where(right & (truth != IGNORE), truth, random_ids(8, truth.shape, classes))
    labelled = truth != IGNORE
    y, p = truth[labelled], predicted[labelled]
    present = [k for k in range(classes) if k not in absent]

    confusion = confusion_matrix(truth, predicted, classes)
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(y, p, labels=range(classes)))
    assert confusion.dtype == np.int64
    scores = score(confusion, [f"c{k}" for k in range(classes)])
    recall = metrics.recall_score(y, p, labels=present, average=None)
    iou = metrics.jaccard_score(y, p, labels=present, average=None)
    assert scores.pixel_accuracy == pytest.approx(metrics.accuracy_score(y, p), abs=1e-12)
    assert scores.class_accuracy == pytest.approx(recall.mean(), abs=1e-12)
    assert scores.class_iou == pytest.approx(iou.mean(), abs=1e-12)
    assert [scores.per_class_accuracy[k] for k in present] == pytest.approx(list(recall), abs=1e-12)
    assert [scores.per_class_iou[k] for k in present] == pytest.approx(list(iou), abs=1e-12)
    assert scores.absent == tuple(f"c{k}" for k in absent)
    assert all(scores.per_class_accuracy[k] is None and scores.per_class_iou[k] is None for k in absent)
    # The official script divides by all classes: those without a true pixel count as 0.
    assert scores.class_accuracy_of_all == pytest.approx(sum(recall) / classes, abs=1e-12)
    assert scores.class_iou_of_all == pytest.approx(sum(iou) / classes, abs=1e-12)


def test_class_accuracy_is_the_balanced_accuracy():
    truth, predicted = random_ids(9, (3, 9, 9), 4), random_ids(10, (3, 9, 9), 4)
    scores = score(confusion_matrix(truth, predicted, 4), NAMES)
    assert scores.class_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth.ravel(), predicted.ravel()))


def test_an_example_by_hand():
    # Three pixels of class 0, one of them missed; one of class 1, found; one without ground truth.
    truth = np.array([[0, 0, 0, 1, IGNORE]], np.uint8)
    predicted = np.array([[0, 0, 1, 1, 0]], np.uint8)
    confusion = confusion_matrix(truth, predicted, 2)
    assert confusion.tolist() == [[2, 1], [0, 1]]
    scores = score(confusion, ("a", "b"))
    assert scores.pixel_accuracy == 3 / 4
    assert scores.per_class_accuracy == (2 / 3, 1.0)
    assert scores.class_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert scores.per_class_iou == (2 / 3, 1 / 2)
    assert scores.class_iou == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Rows and columns exchanged would be precision, another number.
    assert scores.class_accuracy != score(confusion.T, ("a", "b")).class_accuracy


def test_scores_are_not_averaged_over_photos():
    # One class is rare and sits in one photo only: its photo's IoU must not count as much as that of all the others.
    truth = np.array([[[0, 0, 0, 0]], [[0, 0, 1, 1]]], np.uint8)
    predicted = np.array([[[0, 0, 0, 1]], [[0, 1, 1, 1]]], np.uint8)
    pooled = score(confusion_matrix(truth, predicted, 2), ("a", "b"))
    single = [score(confusion_matrix(t, p, 2), ("a", "b")) for t, p in zip(truth, predicted, strict=True)]
    assert pooled.class_iou == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert np.mean([scores.class_iou for scores in single]) == pytest.approx((3 / 4 + (1 / 2 + 2 / 3) / 2) / 2)
    assert np.mean([scores.class_accuracy for scores in single]) != pytest.approx(pooled.class_accuracy)


def test_an_absent_class_is_left_out_but_costs_if_predicted():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    scores = score(confusion_matrix(truth, truth, 3), ("a", "b", "c"))
    assert three(scores) == (1.0, 1.0, 1.0)
    assert (scores.class_accuracy_of_all, scores.class_iou_of_all) == pytest.approx((2 / 3, 2 / 3))
    assert scores.absent == ("c",)
    wrong = score(confusion_matrix(truth, np.array([[0, 2, 1, 1]], np.uint8), 3), ("a", "b", "c"))
    assert three(wrong) == (0.75, 0.75, 0.75)  # with the IoU of 0 of class c: 1/2
    assert wrong.absent == ("c",)


# Controls


def test_the_constant_map_scores_one_where_every_photo_is_alike():
    truth = np.repeat(random_ids(14, (1, 8, 8), 4), 3, axis=0)
    evaluation = evaluate((truth + 1) % 4, truth)
    assert three(evaluation.constant_map) == (1.0, 1.0, 1.0)
    assert three(evaluation.model) == (0.0, 0.0, 0.0)


def test_the_constant_map_depends_on_training_maps_only():
    truth, train = random_ids(15, (3, 8, 8), 4), random_ids(16, (5, 8, 8), 4)
    expected = confusion_matrix(truth, np.stack([constant_map(list(train), 4)] * 3), 4)
    evaluation = evaluate(truth, truth, train)
    assert evaluation.constant_map == score(expected, NAMES)
    assert evaluation.constant_map != evaluate(truth, truth, truth).constant_map


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


def test_training_maps_may_be_a_stream():
    truth = random_ids(23, (3, 5, 5), 4)
    streamed = score_label_pictures(paint(truth), paint(truth), (paint(ids) for ids in truth), COLORS, NAMES)
    assert streamed == evaluate(truth, truth)


def test_the_share_of_a_class_and_the_matrix_itself():
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]], np.int64)
    scores = score(confusion, ("road", "sky", "bus"))
    assert list(scores.per_class_share) == [0.5, 0.5, 0]
    assert scores.confusion == ((3, 1, 0), (0, 4, 0), (0, 0, 0))
    assert scores.means == (7 / 8, (3 / 4 + 1) / 2, (3 / 4 + 4 / 5) / 2)


def test_results_cannot_be_changed() -> None:
    scores = score(np.eye(2, dtype=np.int64), ("a", "b"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        scores.class_iou = 1.0  # type: ignore[misc]


# Errors

GOOD = np.zeros((2, 4, 4), np.uint8)
UNLABELLED_IDS = np.full((2, 4, 4), IGNORE, np.uint8)


@pytest.mark.parametrize(
    ("predicted", "truth", "train", "message"),
    [
        (GOOD, GOOD[:, :2], GOOD, r"ground truth has shape (2, 2, 4) and the prediction (2, 4, 4)"),
        (GOOD[:0], GOOD[:0], GOOD, r"needs two or more photos"),
        (GOOD[:1], GOOD[:1], GOOD, r"needs two or more photos"),
        (GOOD, GOOD, GOOD[:0], r"there is no training label map"),
        (GOOD, UNLABELLED_IDS, GOOD, r"no pixel of the ground truth is labelled"),
        (GOOD, GOOD, UNLABELLED_IDS, r"no pixel of the training label maps is labelled"),
        (GOOD, GOOD, GOOD[:, :2], r"training label maps have shape (2, 4) and the test ones (4, 4)"),
    ],
)
def test_images_that_cannot_be_scored(predicted, truth, train, message):
    with pytest.raises(UserError, match=re.escape(message)):
        evaluate(predicted, truth, train)


def test_names_must_be_as_many_as_classes():
    with pytest.raises(UserError, match="there are 2 names for the 4 classes"):
        score_label_pictures(paint(GOOD), paint(GOOD), list(paint(GOOD)), COLORS, ("road", "sky"))
