"""The 19 training classes of Cityscapes and the colour that stands for each in a label picture."""

from typing import Final

import numpy as np
import numpy.typing as npt

Color = tuple[int, int, int]

# Names and colours in train-id order, as in `labels.py` of github.com/mcordts/cityscapesScripts.
NAMES: Final[tuple[str, ...]] = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
COLORS: Final[tuple[Color, ...]] = (
    (128, 64, 128),
    (244, 35, 232),
    (70, 70, 70),
    (102, 102, 156),
    (190, 153, 153),
    (153, 153, 153),
    (250, 170, 30),
    (220, 220, 0),
    (107, 142, 35),
    (152, 251, 152),
    (70, 130, 180),
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
)
UNLABELLED: Final[Color] = (0, 0, 0)
"""The colour of pixels that belong to no training class: they are not scored."""


def color_array(unlabelled: bool = False) -> npt.NDArray[np.uint8]:
    """The colours as a new array, one row per train id.

    Args:
        unlabelled: add black as a last row, so that row 19 (or -1) is the colour of unlabelled pixels.

    Returns:
        uint8 of shape [19, 3], or [20, 3] with the unlabelled row; RGB, 0 to 255.
    """
    return np.array((*COLORS, UNLABELLED) if unlabelled else COLORS, dtype=np.uint8)
