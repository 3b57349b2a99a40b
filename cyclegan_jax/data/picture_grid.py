"""Images in rows with a heading above each column, as one picture: the samples of a run, and those of an evaluation."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from cyclegan_jax.data.images import Uint8Image, to_rgb
from cyclegan_jax.errors import UserError

_GAP: Final = 4
"""White pixels between images."""
_LEAST_SIDE: Final = 128
"""Smaller images are enlarged by a whole factor, to be seen without a magnifying glass."""
_TEXT: Final = 16
"""Height of the headings in pixels, for columns of the least width."""


def picture_grid(headings: Sequence[str], rows: Sequence[Sequence[Uint8Image]]) -> UInt8[np.ndarray, "height width 3"]:
    """Lay images out in rows on white.

    Args:
        headings: a few words for each column.
        rows: images (H, W, C), gray, RGB or RGBA (see `to_rgb`), one for each heading. All are enlarged by one whole
            factor, without interpolation, to at least 128 pixels; images smaller than the largest are padded.

    Returns:
        One RGB picture.

    Raises:
        UserError: there is no image, or a row has another number of images than there are headings.
    """
    if not rows or not headings or {len(row) for row in rows} != {len(headings)}:
        numbers = [len(row) for row in rows]
        raise UserError(f"a grid needs {len(headings)} images in each row, one for each heading, but has {numbers}")
    sizes = [image.shape[:2] for row in rows for image in row]
    least = min(min(size) for size in sizes)
    factor = -(-_LEAST_SIDE // least)
    height, width = (max(sides) * factor for sides in zip(*sizes, strict=True))
    title = _title(headings, width)
    down, right = height + _GAP, width + _GAP
    picture = np.full((len(rows) * down - _GAP, len(headings) * right - _GAP, 3), 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            large = to_rgb(image).repeat(factor, axis=0).repeat(factor, axis=1)
            picture[i * down : i * down + large.shape[0], j * right : j * right + large.shape[1]] = large
    return np.concatenate([title, picture])


def _title(headings: Sequence[str], width: int) -> UInt8[np.ndarray, "height width 3"]:
    """The headings, each in the middle of its column of `width` pixels."""
    size = _TEXT * max(1, round(width / _LEAST_SIDE / 2))
    font = ImageFont.load_default(size)
    # A long heading gets smaller letters, as do the others with it.
    longest = max(font.getlength(heading) for heading in headings)
    font = ImageFont.load_default(min(size, size * 0.9 * width / max(longest, 1)))
    picture = Image.new("RGB", (len(headings) * (width + _GAP) - _GAP, size * 3 // 2), "white")
    draw = ImageDraw.Draw(picture)
    for column, heading in enumerate(headings):
        draw.text((column * (width + _GAP) + width / 2, picture.height / 2), heading, "black", font, anchor="mm")
    return np.asarray(picture)
