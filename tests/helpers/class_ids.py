"""Random class ids and the pictures that show them."""

import numpy as np

from cyclegan_jax.evaluation.nearest_class import IGNORE

COLORS = np.array([(128, 64, 128), (70, 130, 180), (0, 0, 142), (220, 20, 60)], np.uint8)
NAMES = ("road", "sky", "car", "person")
BLACK = (0, 0, 0)


def paint(ids: np.ndarray) -> np.ndarray:
    """The picture of class ids: the inverse of `truth_classes`."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(COLORS)] = COLORS
    return table[ids]


def random_ids(seed: int, shape: tuple[int, ...], classes: int, unlabelled: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, classes, shape, dtype=np.uint8)
    ids[rng.random(shape) < unlabelled] = IGNORE
    return ids
