"""What a data set is to the rest of the code: four splits of encoded images, read one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

EXTENSIONS: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".npy")
"""File name endings that count as images, in upper or lower case."""

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


EMPTY: Final = MemorySplit()
"""A test split that a data set does not have."""


@dataclass(frozen=True)
class Dataset:
    """The four splits of an unpaired data set; the training splits are never empty, the test splits may be."""

    train_A: Split
    train_B: Split
    test_A: Split = EMPTY
    test_B: Split = EMPTY
