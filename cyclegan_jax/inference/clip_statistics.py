"""Which frames of a clip give it one set of instance-norm statistics, against flicker.

An instance norm subtracts the mean of the image at hand and divides by its deviation. Something bright that enters a
frame therefore changes the output everywhere. The frames of a clip are normalised by the statistics of some of them
together instead (`AnySize.statistics`): what does not change in the input does not change in the output.

The statistics of a norm depend on those of all norms before it. They therefore come from one pass over all of these
frames, and memory limits their number; passes over some frames each, averaged, would give others.
"""

import math
from collections.abc import Iterable
from typing import Final, TypeVar

from cyclegan_jax.inference.any_size import OVERVIEW

_T = TypeVar("_T")

_MOST: Final = 16
_PIXELS_AT_ONCE: Final = OVERVIEW**2
"""The most pixels in the pass: as many as in the largest image that is translated whole."""


def frames_at_once(size: tuple[int, int]) -> int:
    """How many frames of this height and width the statistics of a clip are taken from: 1 to 16."""
    pixels = math.prod(min(side, OVERVIEW) for side in size)
    return max(1, min(_MOST, _PIXELS_AT_ONCE // pixels))


def sampled(frames: Iterable[_T], most: int) -> list[_T]:
    """Pick at most `most` frames at even distances, half as many or more: of few frames all.

    They are found in one pass that holds at most twice as many, over frames whose number need not be known. The first
    frame of a clip, which is often black, is not among them where there are more than `most`.
    """
    kept: list[_T] = []
    distance, number = 1, 0
    for frame in frames:
        if number % distance == 0:
            kept.append(frame)
        number += 1
        if len(kept) > 2 * most:
            kept = kept[::2]
            distance *= 2
    return kept if number <= most else kept[1::2]
