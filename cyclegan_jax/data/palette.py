"""The 19 training classes of Cityscapes, and the colour that stands for each in a label picture."""

from typing import Final

import numpy as np
from jaxtyping import Int32, UInt8

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
"""The colour of pixels that belong to no training class; scores ignore them."""


def color_array(unlabelled: bool = False) -> UInt8[np.ndarray, "K 3"]:
    """Return the RGB colours as a new array, one row per train id.

    Args:
        unlabelled: add black as a last row, so that row 19 (or -1) is the colour of unlabelled pixels.

    Returns:
        19 rows, or 20 with the unlabelled row.
    """
    return np.array((*COLORS, UNLABELLED) if unlabelled else COLORS, dtype=np.uint8)


def snap_to_palette(
    image: UInt8[np.ndarray, "*pixels 3"], colors: UInt8[np.ndarray, "K 3"]
) -> UInt8[np.ndarray, "*pixels 3"]:
    """Replace each pixel by the nearest of `colors`, by Euclidean distance in RGB; ties go to the first colour.

    Returns:
        A new array; or `image` itself if it holds no other colours.
    """
    packed = _packed(image)
    other = ~np.isin(packed, _packed(colors))
    if not other.any():
        return image  # every image of a lossless data set: 20x faster than computing distances
    # A JPEG of a label map holds some thousand colours: the distances of these few are computed, not of each pixel.
    found, places = np.unique(packed[other], return_inverse=True)
    snapped = image.copy()
    snapped[other] = _nearest(np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1), colors)[places]
    return snapped


def _packed(image: UInt8[np.ndarray, "*pixels 3"]) -> Int32[np.ndarray, "*pixels"]:
    red, green, blue = np.moveaxis(image.astype(np.int32), -1, 0)
    packed: np.ndarray = red << 16 | green << 8 | blue
    return packed


def _nearest(pixels: Int32[np.ndarray, "N 3"], colors: UInt8[np.ndarray, "K 3"]) -> UInt8[np.ndarray, "N 3"]:
    # |p - c|^2 = |p|^2 - 2 p.c + |c|^2, and |p|^2 is the same for every colour c of a pixel p: leaving it out does not
    # change which c is nearest, and the rest is one matrix product instead of an array of (pixels, K, 3) differences.
    # All values are integers below 2**24, which float32 holds exactly, so that ties are exact too.
    table = colors.astype(np.float32)
    distances = np.sum(table**2, axis=1) - 2 * (pixels.astype(np.float32) @ table.T)
    nearest: np.ndarray = colors[np.argmin(distances, axis=1)]
    return nearest
