"""Windows of an image: the tiles that cover it, and a sample that is spread over it.

A window is read with margins, because a generator looks beyond the pixels that it fills.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """A rectangle of an image.

    Attributes:
        rows: the rows to read.
        columns: the columns to read.
        inner_rows: the rows inside the margins.
        inner_columns: the columns inside the margins.
    """

    rows: slice
    columns: slice
    inner_rows: slice
    inner_columns: slice

    @property
    def inside(self) -> tuple[slice, slice]:
        """The rows and columns inside the margins, counted from the window's own corner."""
        return _shifted(self.inner_rows, self.rows.start), _shifted(self.inner_columns, self.columns.start)

    @property
    def inner_pixels(self) -> int:
        """The number of pixels inside the margins."""
        return math.prod(part.stop - part.start for part in self.inside)


def tiles(height: int, width: int, tile: int, margin: int) -> Iterator[Window]:
    """Yield the windows that fill an image, row by row from the upper left corner.

    Args:
        height: of the image, pixels.
        width: of the image.
        tile: the side of a window with its margins; those at the image's borders are smaller.
        margin: the distance from which a pixel can change the result inside.
    """
    step = tile - 2 * margin
    for top, left in itertools.product(range(0, height, step), range(0, width, step)):
        inner_rows, inner_columns = slice(top, min(top + step, height)), slice(left, min(left + step, width))
        yield _with_margins(inner_rows, inner_columns, height, width, margin)


def sample(height: int, width: int, tile: int, margin: int, *, multiple: int, number: int) -> list[Window]:
    """Return about `number` windows, one at a random place in each cell of a grid; all tiles where these are no more.

    The places are the same for every image of a size. They are random within the cells, since an image may repeat
    itself at regular distances, as the sections on a slide do.

    Args:
        height: of the image, a multiple of `multiple`.
        width: of the image, a multiple of `multiple`.
        tile: the side of a window with its margins.
        margin: as for `tiles`.
        multiple: what all borders are multiples of.
        number: how many windows.
    """
    inner = tile - 2 * margin
    if math.ceil(height / inner) * math.ceil(width / inner) <= number:
        return list(tiles(height, width, tile, margin))
    rows = min(number, max(1, round(math.sqrt(number * height / width))))
    columns = max(1, number // rows)
    rng = np.random.default_rng(0)

    def place(side: int, cell: int, cells: int) -> slice:
        first, last = side * cell / cells, side * (cell + 1) / cells - inner
        start = min(int(rng.uniform(first, max(first, last))) // multiple * multiple, max(0, side - inner))
        return slice(start, min(start + inner, side))

    return [
        _with_margins(place(height, row, rows), place(width, column, columns), height, width, margin)
        for row, column in itertools.product(range(rows), range(columns))
    ]


def _with_margins(inner_rows: slice, inner_columns: slice, height: int, width: int, margin: int) -> Window:
    def widened(inner: slice, side: int) -> slice:
        return slice(max(0, inner.start - margin), min(side, inner.stop + margin))

    return Window(widened(inner_rows, height), widened(inner_columns, width), inner_rows, inner_columns)


def _shifted(place: slice, by: int) -> slice:
    return slice(place.start - by, place.stop - by)
