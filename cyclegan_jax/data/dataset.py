"""What a data set is to the rest of the code: four splits of encoded images, read one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from PIL import features

# Pillow can be built without these two.
_JPEG_2000: Final = (".jp2", ".j2k")
_AVIF: Final = (".avif",)
_HAS_JPEG_2000: Final = bool(features.check("jpg_2000"))
_HAS_AVIF: Final = bool(features.check("avif"))

EXTENSIONS: Final[tuple[str, ...]] = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif", ".npy"),
    *(_JPEG_2000 if _HAS_JPEG_2000 else ()),
    *(_AVIF if _HAS_AVIF else ()),
)
"""File name endings that count as images, in upper or lower case."""

SLIDE_EXTENSIONS: Final = (".svs", ".ndpi", ".btf")
"""Endings of TIFF files of slide scanners and of BigTIFF files, which `translate` reads and training does not."""

UNREAD_EXTENSIONS: Final[tuple[str, ...]] = (
    *SLIDE_EXTENSIONS,
    *(".heic", ".heif", ".jxl", ".jpe", ".jpx", ".pbm", ".pnm", ".pfm", ".tga", ".ico", ".icns", ".pcx", ".dib"),
    *(".psd", ".svg", ".exr", ".hdr", ".dds", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".npz"),
    *(() if _HAS_JPEG_2000 else _JPEG_2000),
    *(() if _HAS_AVIF else _AVIF),
)
"""Endings of images that are not read: such files are named when a folder holds them, instead of ignored."""

SPLITS: Final = ("trainA", "trainB", "testA", "testB")
"""Folder names of the four splits, in the order of the fields of `Dataset`."""


@dataclass(frozen=True)
class Example:
    """One image as it is stored.

    Attributes:
        encoded: the content of an image file.
        name: the file's path, or the file's name if the image lies in an archive.
    """

    encoded: bytes
    name: str


@runtime_checkable
class Split(Protocol):
    """Random access to the images of one domain, for training or for testing, in a fixed order."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: int, /) -> Example:
        """Read the image at `index`, which counts from 0.

        Raises:
            UserError: the image cannot be read.
        """

    def names(self) -> Sequence[str]:
        """Return the name of every example, without reading the images where the storage allows it."""


@runtime_checkable
class Listed(Protocol):
    """A split that knows its files without reading them."""

    def listing(self) -> Sequence[tuple[str, int]]:
        """Return the name below the split's folder, and the size in bytes, of every example; -1 for an unknown size."""


def listing(split: Split) -> Sequence[tuple[str, int]]:
    """Return the listing of a split; empty where it has none."""
    return split.listing() if isinstance(split, Listed) else ()


@dataclass(frozen=True)
class MemorySplit:
    """A split whose examples are in memory."""

    examples: tuple[Example, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int, /) -> Example:
        return self.examples[index]

    def names(self) -> list[str]:
        """Return the name of every example."""
        return [example.name for example in self.examples]

    def listing(self) -> list[tuple[str, int]]:
        """Return name and size of every example, see `Listed`."""
        return [(example.name, len(example.encoded)) for example in self.examples]


@dataclass(frozen=True)
class FirstImages:
    """The first images of a split.

    Attributes:
        split: all images.
        number: how many of them, at most.
    """

    split: Split
    number: int

    def __len__(self) -> int:
        return min(self.number, len(self.split))

    def __getitem__(self, index: int, /) -> Example:
        return self.split[index]

    def names(self) -> Sequence[str]:
        """Return the name of every example."""
        return self.split.names()[: self.number]

    def listing(self) -> Sequence[tuple[str, int]]:
        """Return name and size of every example, see `Listed`."""
        return listing(self.split)[: self.number]


EMPTY: Final = MemorySplit()
"""A test split that a data set does not have."""


@dataclass(frozen=True)
class Dataset:
    """The four splits of an unpaired data set; the training splits are never empty, the test splits may be.

    Attributes:
        train_A: training images of domain A.
        train_B: training images of domain B.
        test_A: test images of domain A.
        test_B: test images of domain B.
        left_out: the reason for leaving a file or folder out of the splits, by its path.
    """

    train_A: Split
    train_B: Split
    test_A: Split = EMPTY
    test_B: Split = EMPTY
    left_out: Mapping[Path, str] = field(default_factory=dict, kw_only=True)
