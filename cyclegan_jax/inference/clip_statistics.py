"""One set of instance-norm statistics for all frames of a clip, against flicker.

An instance norm subtracts the mean of the image at hand and divides by its deviation. Something bright that enters a
frame therefore changes the output everywhere. The frames of a clip are translated with statistics of some of its frames
together instead: what does not change in the input does not change in the output.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import jax.numpy as jnp

from cyclegan_jax.inference.any_size import OVERVIEW, AnySize, FloatImage, LayerStatistics
from cyclegan_jax.kernels.instance_norm import pooled

_T = TypeVar("_T")

SAMPLED: Final = 16
"""The most frames that the statistics are taken from."""
_PIXELS_AT_ONCE: Final = OVERVIEW**2
"""The most pixels of frames in one pass: as many as the largest image that is translated whole."""
_PASSES: Final = 3
"""Passes over the frames where memory does not hold all of them at once."""


def sampled(frames: Iterable[_T]) -> list[_T]:
    """At most `SAMPLED` frames, and at least half as many where there are so many, evenly spaced from the first on.

    They are found in one pass that holds no others, whose number need not be known.
    """
    kept: list[_T] = []
    distance = 1
    for index, frame in enumerate(frames):
        if index % distance == 0:
            kept.append(frame)
        if len(kept) > SAMPLED:
            kept = kept[::2]
            distance *= 2
    return kept


def clip_statistics(translate: AnySize, frames: Sequence[FloatImage], passes: int = _PASSES) -> LayerStatistics:
    """The mean and variance of each channel over all frames together, for each instance norm of a generator.

    The frames that memory holds are normalised together in one pass, and the result is exact: that of one image made
    of all frames. Where it does not hold all, the first pass normalises each group of them by itself, and each further
    one by the statistics of the pass before. These are exact for one more norm after each pass, counted from the input,
    because the statistics of a norm depend on those of the norms before it alone.

    Args:
        translate: the generator.
        frames: (H, W, C) floats in [-1, 1], all of one size.
        passes: the number of passes where there are several groups.

    Returns:
        Arrays of shape (1, 1, 1, C).
    """
    pixels = math.prod(min(side, OVERVIEW) for side in frames[0].shape[:2])
    most = max(1, _PIXELS_AT_ONCE // pixels)
    groups = [frames[start : start + most] for start in range(0, len(frames), most)]
    statistics = None
    for _ in range(passes if len(groups) > 1 else 1):
        statistics = _together([translate.record(group, statistics) for group in groups])
    assert statistics is not None
    return statistics


def _together(groups: Sequence[LayerStatistics]) -> LayerStatistics:
    """Pool the statistics of each image of all groups, layer by layer."""
    layers = zip(*groups, strict=True)
    return [pooled(*(jnp.concatenate(moments) for moments in zip(*layer, strict=True))) for layer in layers]
