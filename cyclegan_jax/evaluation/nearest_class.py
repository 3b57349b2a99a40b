"""Class ids of label pictures: each pixel takes the class whose palette colour is nearest."""

from typing import Final

import numpy as np
from jaxtyping import Int32, UInt8

from cyclegan_jax.data.palette import UNLABELLED, Color
from cyclegan_jax.errors import UserError

IGNORE: Final = 255
"""The id of a pixel without ground truth: it is not scored."""

_MAX_CLASSES: Final = 254  # ids are uint8; one is left for the unlabelled colour and one for IGNORE
_CHUNK: Final = 1 << 16  # pixels per distance matrix


def nearest_class(
    images: UInt8[np.ndarray, "*pixels 3"], palette: UInt8[np.ndarray, "K 3"]
) -> UInt8[np.ndarray, "*pixels"]:
    """Return the id, 0 to K - 1, of the palette colour nearest to each pixel, by Euclidean distance in RGB.

    A tie goes to the lowest id. No pixel is unlabelled: black too becomes the class whose colour is nearest.

    Raises:
        UserError: the palette has more than 254 colours or none, or repeats a colour.
    """
    _check_palette(palette)
    return _nearest(images, palette.astype(np.int32))


def truth_classes(
    images: UInt8[np.ndarray, "*pixels 3"],
    palette: UInt8[np.ndarray, "K 3"],
    unlabelled: Color | None = UNLABELLED,
) -> UInt8[np.ndarray, "*pixels"]:
    """Return the class ids of ground-truth pictures, 0 to K - 1, with `IGNORE` for unlabelled pixels.

    Each pixel takes the nearest of the palette's colours and the unlabelled one, so that pictures stored as JPEG can be
    read. Lossless pictures are better: JPEG blends colours at borders, and a blend may be nearest to a third class.

    Args:
        images: the pictures.
        palette: the colours of the classes in id order.
        unlabelled: the colour of pixels without a class; None where every pixel has one.

    Raises:
        UserError: the palette has more than 254 colours or none, repeats a colour, or contains the unlabelled one.
    """
    _check_palette(palette)
    if unlabelled is None:
        return _nearest(images, palette.astype(np.int32))
    same = np.flatnonzero((palette == unlabelled).all(axis=1))
    if same.size:
        colour = "black" if unlabelled == UNLABELLED else f"{list(unlabelled)}"
        raise UserError(f"class {same[0]} of the palette is {colour}, which means unlabelled: give it another colour")
    ids = _nearest(images, np.array([*palette, unlabelled], np.int32))
    ids[ids == len(palette)] = IGNORE
    return ids


def _nearest(images: UInt8[np.ndarray, "*pixels 3"], colors: Int32[np.ndarray, "K 3"]) -> UInt8[np.ndarray, "*pixels"]:
    pixels = images.reshape(-1, 3)
    ids = np.empty(len(pixels), np.uint8)
    # |x - c|^2 = |x|^2 - 2 x c + |c|^2, and |x|^2 is the same for every colour c. Integers keep ties exact.
    squares, doubled = (colors**2).sum(axis=1), 2 * colors.T
    # In chunks: the distances of 500 images of 256 x 256 pixels to 20 colours would take 2.6 GB at once.
    for start in range(0, len(pixels), _CHUNK):
        chunk = pixels[start : start + _CHUNK].astype(np.int32)
        ids[start : start + _CHUNK] = (squares - chunk @ doubled).argmin(axis=1)
    return ids.reshape(images.shape[:-1])


def _check_palette(palette: UInt8[np.ndarray, "K 3"]) -> None:
    if not 1 <= len(palette) <= _MAX_CLASSES:
        raise UserError(f"the palette must have 1 to {_MAX_CLASSES} colours, but it has {len(palette)}")
    unique, first = np.unique(palette, axis=0, return_index=True)
    if len(unique) < len(palette):
        repeated = min(set(range(len(palette))) - set(first.tolist()))
        raise UserError(f"class {repeated} of the palette repeats the colour {palette[repeated].tolist()}: change it")
