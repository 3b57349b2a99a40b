"""Reading windows of a TIFF image that memory does not hold whole: whole-slide scans, satellite images.

The library tifffile knows the file formats; this module reads those strips or tiles that a window needs, keeps the
last ones, and refuses what would not be gray, RGB, or bands as they are stored.
"""

import contextlib
import functools
import itertools
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Shaped

from cyclegan_jax import files
from cyclegan_jax.data import decode_16bit
from cyclegan_jax.data.dataset import SLIDE_EXTENSIONS
from cyclegan_jax.errors import UserError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

HUGE_PIXELS: Final = 2 * 89_478_485
"""TIFF images of more pixels are translated window by window: Pillow refuses to read them whole."""
SUFFIXES: Final = (".tif", ".tiff", *SLIDE_EXTENSIONS)
"""Endings of files that may be read by windows."""

_NO_LOG: Final = logging.NullHandler()
_CACHE_BYTES: Final = 2**29
"""Decoded strips or tiles that are kept: 1,024 rows of a stripped image 60,000 pixels wide must fit."""
_SEGMENT_BYTES: Final = 2**28
"""The largest decoded strip or tile that is read."""
_GRAY, _RGB, _YCBCR, _WHITE_IS_ZERO = 1, 2, 6, 0  # values of the tag PhotometricInterpretation
_JPEG: Final = (6, 7, 33007)  # values of the tag Compression whose YCbCr is decoded to RGB
_PREMULTIPLIED, _ALPHA = 1, 2  # values of the tag ExtraSamples
_IMAGE_WIDTH, _IMAGE_LENGTH, _ORIENTATION = 256, 257, 274  # tags


def is_huge(file: Path) -> bool:
    """Whether a file is a TIFF image of more than `HUGE_PIXELS`; False for what cannot be read."""
    if file.suffix.lower() not in SUFFIXES:
        return False
    try:
        with files.opened(file) as stream:
            return _pixels(stream) > HUGE_PIXELS
    except UserError:  # reading the file reports it
        return False


def _pixels(stream: BinaryIO) -> int:
    """Return the number of pixels of a TIFF file's first image, by its header; 0 where it has none."""
    if not stream.read(4).startswith(decode_16bit.TIFF_MAGIC):
        return 0
    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tags = decode_16bit.tiff_tags(stream)
            return int(tags[_IMAGE_WIDTH]) * int(tags[_IMAGE_LENGTH])
        except Exception:  # Pillow raises exceptions of many modules for damaged files
            return 0


@contextlib.contextmanager
def opened(file: Path) -> Iterator["TiffWindows"]:
    """Open a TIFF file to read windows of its first image: in slides and pyramids that of the highest resolution.

    Raises:
        UserError: the file cannot be read, the image is of a kind that is not read, or tifffile is not installed.
    """
    try:
        import tifffile
    except ImportError as error:
        raise UserError(
            f"the image {file} is so large that it is read by windows, which needs the package tifffile: "
            "pip install 'cyclegan-jax[tiff]'"
        ) from error
    # It logs what it also raises; without a handler Python prints that.
    logging.getLogger("tifffile").addHandler(_NO_LOG)
    with contextlib.ExitStack() as stack:
        with reporting(file):
            tiff = stack.enter_context(tifffile.TiffFile(file))
            image = TiffWindows(tiff, file)
        # The image refers to its cache, which refers to the image: Python would free it at any time later.
        stack.callback(image.forget)
        yield image


@contextlib.contextmanager
def reporting(file: Path) -> Iterator[None]:
    """Turn whatever tifffile raises for a damaged file into a `UserError`."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise UserError(f"the image {file} cannot be read ({reason}): replace it or leave it out") from error


class TiffWindows:
    """The first image of a TIFF file, read by windows.

    Attributes:
        name: what error messages call the image.
        height: in pixels.
        width: in pixels.
        page: tifffile's description of the image, with its tags.
    """

    def __init__(self, tiff: "TiffFile", file: Path):
        """Check what kind of image it is; `opened` makes it.

        Args:
            tiff: the open file.
            file: its path.

        Raises:
            UserError: the image is of a kind that is not read.
        """
        page = tiff.pages.first
        _check(page, file)
        self.name = f"the image {file}"
        self.page, self._file, self._tiff = page, file, tiff
        self.height, self.width = page.imagelength, page.imagewidth
        self._channels, self._dtype = _channels(page), np.dtype(page.dtype)
        self._whole_rows = page.is_memmappable
        if not self._whole_rows:
            self._segment = _segment_shape(page)
            size = math.prod(self._segment) * self._dtype.itemsize
            if size > _SEGMENT_BYTES:
                raise UserError(
                    f"the image {file} is stored in parts of {size / 2**20:,.0f} MiB, too large to read it by windows: "
                    "store it in tiles, for example with 'gdal_translate -co TILED=YES -co BIGTIFF=YES' or "
                    "'vips tiffsave --tile --bigtiff'"
                )
            self._decoded = functools.lru_cache(max(1, _CACHE_BYTES // size))(self._decode)

    def forget(self) -> None:
        """Free the decoded parts that are kept."""
        if not self._whole_rows:
            self._decoded.cache_clear()

    def read(self, rows: slice, columns: slice) -> Shaped[np.ndarray, "H W C"]:
        """Read a window that lies in the image; missing tiles of a sparse file are 0.

        Raises:
            UserError: it cannot be decoded.
        """
        with reporting(self._file):
            values = self._from_rows(rows, columns) if self._whole_rows else self._from_segments(rows, columns)
        values = np.ascontiguousarray(values[..., : self._channels])
        return np.iinfo(values.dtype).max - values if self.page.photometric == _WHITE_IS_ZERO else values

    def _from_rows(self, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Read from a file that holds the pixels row by row as they are."""
        page = self.page
        stored = np.dtype(self._tiff.byteorder + self._dtype.char)
        # Mapped anew for each window: the pages of the file that were read would count as memory of this process.
        pixels = np.memmap(self._file, stored, "r", offset=page.dataoffsets[0], shape=page.shaped)
        part = pixels[:, 0, rows, columns]
        # One of the two axes of samples has length 1: all samples together, or plane by plane.
        return np.moveaxis(part, 0, 2).reshape(*part.shape[1:3], -1).astype(self._dtype)

    def _from_segments(self, rows: slice, columns: slice) -> npt.NDArray[Any]:
        page = self.page
        length, width, samples = self._segment
        down, across = math.ceil(self.height / length), math.ceil(self.width / width)
        size = rows.stop - rows.start, columns.stop - columns.start
        result = np.zeros((*size, page.samplesperpixel), self._dtype)
        planes = range(page.samplesperpixel // samples)
        needed = _touched(rows, length), _touched(columns, width)
        for plane, row, column in itertools.product(planes, *needed):
            segment = self._decoded((plane * down + row) * across + column)
            if segment is None:
                continue
            # In the image's pixels; a segment at the border may be longer or shorter than the image.
            top, left = row * length, column * width
            bottom, right = top + segment.shape[0], left + segment.shape[1]
            first, last = max(rows.start, top), min(rows.stop, bottom)
            begin, end = max(columns.start, left), min(columns.stop, right)
            place = slice(first - rows.start, last - rows.start), slice(begin - columns.start, end - columns.start)
            channels = slice(plane * samples, (plane + 1) * samples)
            result[(*place, channels)] = segment[first - top : last - top, begin - left : end - left]
        return result

    def _decode(self, index: int) -> npt.NDArray[Any] | None:
        """Decode a strip or tile; None where a sparse file has none."""
        page, handle = self.page, self._tiff.filehandle
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if offset + count > handle.size:
            raise ValueError(f"the file ends before its part {index}")
        ((data, _),) = handle.read_segments([offset], [count], [index])
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        segment, *_ = page.decode(data, index, **tables)
        return None if segment is None else segment[0]

    def is_complete(self) -> bool:
        """Whether the file is as long as its header says, and no tile is missing."""
        page = self.page
        ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        return bool(ends) and min(page.databytecounts) > 0 and max(ends) <= self._tiff.filehandle.size


def _check(page: "TiffPage", file: Path) -> None:
    """Raise a `UserError` unless the image is of a kind that is read."""
    kind: Any = page.photometric
    decoded = kind in (_GRAY, _RGB) or (kind == _YCBCR and page.compression in _JPEG)
    inverted = kind == _WHITE_IS_ZERO and page.dtype is not None and page.dtype.kind == "u"
    if not decoded and not inverted:
        name = getattr(kind, "name", kind)
        raise UserError(
            f"the image {file} is so large that it is read by windows, but its colours are of the kind {name}: "
            "convert it to gray or RGB"
        )
    if page.dtype is None or page.dtype.kind not in "uif" or page.bitspersample != 8 * page.dtype.itemsize:
        raise UserError(
            f"the image {file} has {page.bitspersample} bits per channel of a kind that is not read by windows: "
            "convert it to 8 or 16 bits, or to floats"
        )
    turned = page.tags.valueof(_ORIENTATION, 1)
    if turned != 1:
        raise UserError(
            f"the image {file} is stored turned or mirrored (its tag Orientation is {turned:d}), which is not read by "
            "windows: turn it upright"
        )
    if page.imagedepth != 1:
        raise UserError(f"the image {file} has {page.imagedepth} planes of depth: store one of them as an image")
    if page.extrasamples and page.extrasamples[0] == _PREMULTIPLIED:
        raise UserError(f"the image {file} has colours multiplied by its alpha, which are not read: divide them by it")
    if not page.dataoffsets:
        raise UserError(f"the image {file} cannot be read (it holds no pixels): replace it or leave it out")


def _channels(page: "TiffPage") -> int:
    """Return how many samples are read: of those that 8-bit files add to the colours only alpha, as Pillow does."""
    colors = 3 if page.photometric in (_RGB, _YCBCR) else 1
    if page.dtype != np.uint8 or (colors == 1 and page.samplesperpixel > 2):
        return page.samplesperpixel
    has_alpha = bool(page.extrasamples) and page.extrasamples[0] == _ALPHA
    return colors + has_alpha


def _segment_shape(page: "TiffPage") -> tuple[int, int, int]:
    """Return the rows, columns and samples of a strip or tile."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.is_tiled:
        return page.tilelength, page.tilewidth, samples
    return min(page.rowsperstrip, page.imagelength), page.imagewidth, samples


def _touched(part: slice, length: int) -> range:
    """Return the numbers of those segments of a length along a side that a part of the side touches."""
    return range(part.start // length, math.ceil(part.stop / length))
