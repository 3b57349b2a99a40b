"""The constant map: counted by hand, and training maps that cannot be counted."""

import re

import numpy as np
import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.constant_map import constant_map
from cyclegan_jax.evaluation.nearest_class import IGNORE
from tests.helpers.class_ids import random_ids

GOOD = np.zeros((2, 4, 4), np.uint8)


def test_the_most_frequent_label_of_each_pixel():
    rows = [[0, 3, IGNORE, 1, 3], [2, IGNORE, IGNORE, 1, 3], [2, IGNORE, IGNORE, 0, 3], [1, IGNORE, IGNORE, 0, 3]]
    maps = np.array(rows, np.uint8)[:, None]
    # By column: 2, which is two of four; 3, as unlabelled pixels are not counted; 3, the most frequent overall, where
    # none is labelled; 0, as 0 and 1 tie; 3.
    assert constant_map(iter(maps), 4).tolist() == [[2, 3, 3, 0, 3]]


def test_equals_counting_by_hand():
    maps = random_ids(13, (9, 5, 6), 4, unlabelled=0.3)
    expected = [[np.bincount(maps[:, y, x], minlength=256)[:4].argmax() for x in range(6)] for y in range(5)]
    np.testing.assert_array_equal(constant_map(list(maps), 4), expected)


def test_training_maps_must_have_one_size():
    with pytest.raises(UserError, match=re.escape("training label map 1 has shape (4, 2)")):
        constant_map([GOOD[0], GOOD[0, :, :2]], 4)
    with pytest.raises(UserError, match=re.escape("training label map 0 has shape (2, 4, 4)")):
        constant_map([GOOD], 4)


def test_training_maps_that_cannot_be_counted():
    with pytest.raises(UserError, match="there is no training label map"):
        constant_map([], 4)
    with pytest.raises(UserError, match="no pixel of the training label maps is labelled"):
        constant_map([np.full((4, 4), IGNORE, np.uint8)], 4)
    with pytest.raises(UserError, match="the ground truth contains ids 4 to 4"):
        constant_map([np.full((4, 4), 4, np.uint8)], 4)
