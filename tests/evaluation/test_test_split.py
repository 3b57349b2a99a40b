"""Which test images an evaluation takes: pairs that stay together, a part, and images that cannot be read."""

import dataclasses

import numpy as np
import pytest

from cyclegan_jax.data.dataset import EMPTY, Dataset, Example, MemorySplit
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import test_split as splits
from tests.helpers.examples import config, example, numbered

DATA = config().data
LABELLED = dataclasses.replace(DATA, labels="A")


def named(*names):
    """Images whose value is the number in their name."""
    return MemorySplit(tuple(example(np.full((8, 8, 3), int(name), np.uint8), f"{name}.png") for name in names))


def values(images):
    return [int(image.flat[0]) for image in images]


def test_all_images_are_taken_and_pairs_are_indices():
    data = Dataset(EMPTY, EMPTY, named("1", "2", "3"), named("3", "9", "1"))
    split = splits.load(data, LABELLED)
    # Labels are snapped to the palette, photos are as they are.
    assert values(split.images["B"]) == [3, 9, 1]
    assert split.pairs == ((0, 2), (2, 0))
    assert (split.limited, split.unpaired, split.skipped) == (False, None, 0)
    assert splits.load(data, DATA).pairs == ((0, 2), (2, 0)), "photos pair too"
    assert split.names == {"A": ["1.png", "2.png", "3.png"], "B": ["3.png", "9.png", "1.png"]}


def test_a_part_is_spread_over_the_split_and_keeps_pairs():
    names = [str(i) for i in range(10)]
    data = Dataset(EMPTY, EMPTY, named(*names), named(*reversed(names), "77"))
    part = splits.load(data, LABELLED, 3)
    assert part.limited
    assert values(part.images["B"]) == [6, 3, 0]
    assert part.pairs == ((0, 2), (1, 1), (2, 0))
    free = splits.load(data, DATA, 3)
    assert values(free.images["A"]) == [0, 3, 6]
    assert not splits.load(data, DATA, 11).limited


def test_label_maps_without_pairs_give_the_reason():
    data = Dataset(EMPTY, EMPTY, named("1", "2"), named("3", "4"))
    split = splits.load(data, LABELLED)
    assert split.pairs == ()
    assert splits.load(data, DATA).unpaired is None, "photos may be unpaired without a reason"
    assert split.unpaired is not None
    assert "no test image of A has a partner in B" in split.unpaired


def test_images_of_labelled_sets_are_no_pairs():
    """Their names are numbers, which both sets have."""
    data = Dataset(EMPTY, EMPTY, named("1", "2"), named("1", "2"))
    assert splits.load(data, DATA).pairs
    sets = dataclasses.replace(DATA, source="tfds", name_A="mnist", name_B="svhn_cropped")
    split = splits.load(data, sets)
    assert (split.pairs, split.unpaired) == ((), None)


def test_images_that_cannot_be_read():
    broken = Example(b"no image", "1.png")
    data = Dataset(EMPTY, EMPTY, named("0", "1"), MemorySplit((broken, *named("0").examples)))
    with pytest.raises(UserError, match=r"1\.png cannot be read"):
        splits.load(data, LABELLED)
    skipping = dataclasses.replace(LABELLED, on_error="skip")
    split = splits.load(data, skipping)
    assert (split.skipped, split.pairs) == (1, ((0, 0),))
    with pytest.raises(UserError, match="none of the test images of domain B can be read"):
        splits.load(Dataset(EMPTY, EMPTY, named("1"), MemorySplit((broken,))), skipping)


def test_no_test_images():
    with pytest.raises(UserError, match=r"no test images of domain B to evaluate with: .* testB"):
        splits.load(Dataset(named("1"), named("1"), named("1")), DATA)


def test_training_images_in_part_and_whole():
    data = Dataset(numbered(4), numbered(9), named("1"), named("1"))
    split = splits.load(data, DATA)
    assert values(split.train_images("B", 3)) == [0, 3, 6]
    assert values(split.train_images("A", 9)) == [0, 1, 2, 3]
    assert len(list(split.train_images("B"))) == 9


def test_floats_are_shown_in_8_bits():
    image = np.array([[[-1.0], [0.0], [2.0]]], np.float32)
    assert splits.as_picture(image, DATA, "A").ravel().tolist() == [0, 128, 255]
    assert splits.as_picture(np.array([[[7]]], np.uint8), DATA, "A").ravel().tolist() == [7]
