"""Palettes: the classes of label maps and the colour of each; those of Cityscapes and of CMP's facades."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int32, UInt8

Color = tuple[int, int, int]

UNLABELLED: Final[Color] = (0, 0, 0)
"""The usual colour of pixels that belong to no class; scores ignore them."""


@dataclass(frozen=True)
class Palette:
    """The classes of label maps, in the order of their ids.

    Attributes:
        names: the names of the classes, all different.
        colors: the colour of each, all different.
        unlabelled: the colour of pixels without a class, which no class has; None where every pixel has a class.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    unlabelled: Color | None = UNLABELLED


# Names and colours of Cityscapes in train-id order, as in `labels.py` of github.com/mcordts/cityscapesScripts.
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
CITYSCAPES: Final = Palette(NAMES, COLORS)
"""The 19 training classes of Cityscapes."""

# In id order, 1 to 12, as in `label_names.txt` of the CMP Facade Database (cmp.felk.cvut.cz/~tylecr1/facade). Its label
# pictures are indexed, with MATLAB's jet(12) as their colours.
FACADES: Final = Palette(
    (
        "background",
        "facade",
        "window",
        "door",
        "cornice",
        "sill",
        "balcony",
        "blind",
        "deco",
        "molding",
        "pillar",
        "shop",
    ),
    (
        (0, 0, 170),
        (0, 0, 255),
        (0, 85, 255),
        (0, 170, 255),
        (0, 255, 255),
        (85, 255, 170),
        (170, 255, 85),
        (255, 255, 0),
        (255, 170, 0),
        (255, 85, 0),
        (255, 0, 0),
        (170, 0, 0),
    ),
)
"""The 12 classes of the CMP Facade Database."""

BUILT_IN: Final[Mapping[str, Palette]] = {"cityscapes": CITYSCAPES, "facades": FACADES}
"""The palettes that `data.palette` knows by name."""


def color_array(unlabelled: bool = False, palette: Palette = CITYSCAPES) -> UInt8[np.ndarray, "K 3"]:
    """Return the RGB colours as a new array, one row per class id.

    Args:
        unlabelled: add the colour of unlabelled pixels, if there is one, as a last row.
        palette: whose colours.

    Returns:
        As many rows as classes, or with the unlabelled row one more.
    """
    last = (palette.unlabelled,) if unlabelled and palette.unlabelled is not None else ()
    return np.array((*palette.colors, *last), dtype=np.uint8)


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
