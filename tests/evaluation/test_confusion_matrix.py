"""Confusion matrices: pixels that are left out, shuffled answers, and ids that are out of range."""

import numpy as np
import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.confusion_matrix import confusion_matrix, shuffled_confusion_matrix
from cyclegan_jax.evaluation.nearest_class import IGNORE
from tests.helpers.class_ids import random_ids

GOOD = np.zeros((2, 4, 4), np.uint8)


def test_ignored_pixels_count_nowhere():
    truth = random_ids(11, (2, 6, 6), 4, unlabelled=0.5)
    predicted = random_ids(12, truth.shape, 4)
    other = predicted.copy()
    other[truth == IGNORE] = (other[truth == IGNORE] + 1) % 4
    confusion = confusion_matrix(truth, predicted, 4)
    np.testing.assert_array_equal(confusion, confusion_matrix(truth, other, 4))
    assert confusion.sum() == (truth != IGNORE).sum()


def test_the_shuffled_matrix_counts_every_pair_of_photos():
    truth, predicted = random_ids(17, (5, 4, 3), 4, unlabelled=0.3), random_ids(18, (5, 4, 3), 4)
    expected = np.zeros((4, 4), np.int64)
    for i in range(5):
        for j in range(5):
            if i != j:
                expected += confusion_matrix(truth[i], predicted[j], 4)
    np.testing.assert_array_equal(shuffled_confusion_matrix(truth, predicted, 4), expected)


def test_ids_out_of_range_are_refused():
    # Unchecked, id 4 of a row would be counted as id 0 of the next.
    high, unlabelled = np.full((2, 4, 4), 4, np.uint8), np.full((2, 4, 4), IGNORE, np.uint8)
    for count in (confusion_matrix, shuffled_confusion_matrix):
        with pytest.raises(UserError, match="the ground truth contains ids 4 to 4, but there are 4 classes"):
            count(high, GOOD, 4)
        for wrong in (high, unlabelled):
            with pytest.raises(UserError, match="the prediction contains ids"):
                count(GOOD, wrong, 4)


def test_one_photo_cannot_be_shuffled():
    with pytest.raises(UserError, match="needs two or more photos, but there are 1"):
        shuffled_confusion_matrix(GOOD[:1], GOOD[:1], 4)
