"""Writing a TIFF image tile by tile: a BigTIFF file in tiles, which every program for large images reads by windows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Shaped

from cyclegan_jax import files
from cyclegan_jax.errors import UserError
from cyclegan_jax.inference import tiff_windows
from cyclegan_jax.inference.tiff_windows import TiffWindows

TILE_MULTIPLE: Final = 16
"""The sides of a TIFF file's tiles are multiples of this."""

_GEOREFERENCE: Final = (33550, 33922, 34264, 34735, 34736, 34737, 50844)
"""Tags that say where on Earth the pixels are: ModelPixelScale, ModelTiepoint, ModelTransformation, GeoKeyDirectory,
GeoDoubleParams, GeoAsciiParams, RPCCoefficient."""
_COMPRESSED_AT_ONCE: Final = 2**26
"""Bytes of tiles that are collected to compress them in several threads."""


def write(
    target: Path,
    tiles: Iterator[Shaped[np.ndarray, "H W C"]],
    source: TiffWindows,
    tile: int,
    channels: int,
    dtype: npt.DTypeLike,
) -> None:
    """Write an image of the height, width, resolution and georeference of another one, without loss of its values.

    Nobody ever sees half of it: it is written under a temporary name, which is deleted after an error.

    Args:
        target: the file to create or replace; its folder is made where there is none.
        tiles: the tiles, row by row; those at the right and lower border may be smaller.
        source: the image that the result is made from.
        tile: the side of a tile, a multiple of `TILE_MULTIPLE`.
        channels: 1 for gray, 2 with alpha, 3 for RGB, 4 with alpha.
        dtype: of the values.

    Raises:
        UserError: it cannot be written.
    """
    import tifffile

    shape = (source.height, source.width)
    whole = np.issubdtype(dtype, np.integer)
    try:
        files.make_folder(target.parent)
        with files.replacing(target) as temporary, tifffile.TiffWriter(temporary, bigtiff=True) as writer:
            writer.write(
                tiles,
                shape=shape if channels == 1 else (*shape, channels),
                dtype=np.dtype(dtype),
                tile=(tile, tile),
                photometric="rgb" if channels > 2 else "minisblack",
                planarconfig="contig" if channels > 1 else None,
                extrasamples=["unassalpha"] if channels in (2, 4) else None,
                compression="adobe_deflate",
                # Differences of neighbours compress better; those of floats would need the package imagecodecs.
                predictor=2 if whole else None,
                metadata=None,
                software="cyclegan-jax",
                buffersize=_COMPRESSED_AT_ONCE,
                extratags=_georeference(source),
                **_resolution(source),
            )
    except OSError as error:
        raise UserError(f"{target} cannot be written ({error.strerror or error}): give another --output") from error


def is_whole(file: Path) -> bool:
    """Whether a file holds an image to its last tile, by its header; False where there is no file.

    Raises:
        UnreadableError: the file is there, but cannot be read.
    """
    if not files.is_file(file):
        return False
    files.check_readable(file)
    try:
        with tiff_windows.opened(file) as image:
            return image.is_complete()
    except UserError:
        return False


def _georeference(source: TiffWindows) -> list[tuple[int, int, int, Any, bool]]:
    tags = [source.page.tags[code] for code in _GEOREFERENCE if code in source.page.tags]
    return [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in tags]


def _resolution(source: TiffWindows) -> dict[str, Any]:
    """Return how many pixels make a centimetre or an inch, where the image states it."""
    found = [source.page.tags.valueof(name) for name in ("XResolution", "YResolution")]
    if not all(isinstance(value, tuple) and value[1] for value in found):
        return {}
    unit = source.page.tags.valueof("ResolutionUnit", 2)
    return {"resolution": tuple(above / below for above, below in found), "resolutionunit": int(unit)}
