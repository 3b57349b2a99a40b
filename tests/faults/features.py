"""Features as a user would write them, for evaluations that are killed, and some that fail."""

import time

import numpy as np


def slow_colours(images: np.ndarray) -> np.ndarray:
    """The mean colours, after long enough for a test to kill the process before the scores are written."""
    time.sleep(0.3)
    return images.mean(axis=(1, 2)) / 255


def raising(images: np.ndarray) -> np.ndarray:
    """A bug in the user's code, with an error of two lines."""
    raise KeyError("no layer\nof this name")


def leaving(images: np.ndarray) -> np.ndarray:
    """Ends the process as a script does."""
    raise SystemExit(3)


def not_numbers(images: np.ndarray) -> np.ndarray:
    return np.full((len(images), 2), np.nan)


def ragged(images: np.ndarray) -> object:
    return [[0.0] * index for index in range(len(images))]


def of_no_width(images: np.ndarray) -> np.ndarray:
    return np.zeros((len(images), 0))
